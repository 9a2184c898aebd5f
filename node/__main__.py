"""`python -m node ...` is `potluck node ...`."""

import sys

from node.cli import main

sys.exit(main())
