"""Real gRPC on loopback."""

import shared  # noqa: F401  before grpc: it quiets the C core
