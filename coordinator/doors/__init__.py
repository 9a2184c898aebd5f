"""gRPC on the coordinator's side: message -> fact -> reply. No decisions live here."""
