"""Every fault by name, for the tests and for whoever plays many of them: `python -m tests.faults.links.faults NAME`.

Each builds a group of its own in an empty folder, spoils something, and raises when a promise was broken. Figures are
printed as they are measured.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.faults.links import absent, inviting, papers, spoiled

REPOSITORY = Path(__file__).resolve().parents[3]

FAULTS: dict[str, Callable[[Path, int], None]] = {  # (an empty folder, a seed); the long ones first
    "all-but-one-gone": absent.all_but_one_gone,
    "black-hole": spoiled.a_black_hole,
    "frozen-host": absent.a_frozen_host,
    "frozen-node": absent.a_frozen_node,
    "cut-every-few-seconds": spoiled.cut_every_few_seconds,
    "flipped-bytes": spoiled.flipped_bytes,
    "revoked-in-mid-upload": papers.revoked_in_mid_upload,
    "certificates": papers.certificates,
    "man-in-the-middle": inviting.a_man_in_the_middle,
    "lost-reply": inviting.a_lost_reply,
    "guessed-invite": inviting.a_guessed_invite,
    "narrow-line": spoiled.a_narrow_line,
    "long-way": spoiled.a_long_way,
}


def main() -> int:
    options = argparse.ArgumentParser(description="Play one fault to its end.")
    options.add_argument("name", choices=list(FAULTS))
    options.add_argument("--folder", type=Path)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    os.environ.pop("POTLUCK_HOME", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started ends with it
    with tempfile.TemporaryDirectory() as spare:
        folder = asked.folder or Path(spare)
        os.environ.setdefault("POTLUCK_CACHE", str(folder / "cache"))
        FAULTS[asked.name](folder, asked.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
