"""`python -m node ...` is `potluck node ...`."""

import sys

from shared.entry import main

sys.exit(main(["node", *sys.argv[1:]]))
