"""`python -m coordinator ...` is `potluck coordinator ...`."""

import sys

from coordinator.cli import main

sys.exit(main())
