"""`python -m node.proof KEY`: a certificate request for the key in that file, on standard output (node/renewal.py)."""

from __future__ import annotations

import sys
from pathlib import Path

from shared import identity

if __name__ == "__main__":
    sys.stdout.buffer.write(identity.request(identity.load_key(Path(sys.argv[1]))))
