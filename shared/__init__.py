"""What both sides must agree on. Imports neither side.

One thing is done here because it must be done before gRPC is imported anywhere: its C core would otherwise write its
own lines to standard error on every failed handshake. Our errors say it in words.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
