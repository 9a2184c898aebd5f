"""`python -m node.data.building.worker`: refines one unit after the other, until its standard input ends.

First line in: what it must know. Then a unit a line; a line out when its spool file stands. Whatever goes wrong that is
not the owner's to mend ends the process: the parent sees it, and finds out which file did it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from node.data.building import spool
from node.data.building.choices import choices_from
from node.data.building.plan import Unit, part_from
from node.data.building.refining import Refiner, Work
from node.data.crashes import keep_private
from shared.ending import owners_trouble
from shared.errors import DiskFull

Words = dict[str, Any]


def main() -> int:
    keep_private()
    known = json.loads(sys.stdin.readline())
    folder = Path(known["folder"])
    group_key, pseudonym_key = bytes.fromhex(known["group_key"]), bytes.fromhex(known["pseudonym_key"])
    label = str(known["label"])
    refiner = Refiner(Work(Path(known["source"]), group_key, pseudonym_key, choices_from(known["choices"])))
    say({"ready": True})
    for line in sys.stdin:
        words = json.loads(line)
        unit = Unit(int(words["unit"]), tuple(part_from(part) for part in words["parts"]))
        try:
            refine(refiner, folder, label, unit, words["skip"], careful=words["careful"])
        except Exception as error:
            trouble = owners_trouble(error, folder)
            if trouble is None:
                raise
            say({"trouble": trouble.sentence, "full": isinstance(trouble, DiskFull)})
            return 1
        say({"done": unit.number})
    return 0


def refine(refiner: Refiner, folder: Path, label: str, unit: Unit, skip: list[int], *, careful: bool = False) -> None:
    """One unit into its spool file. What is taken up is noted: who measures wants to know what was done twice."""
    with open(folder / ".taken.log", "ab", buffering=0) as log:
        log.write(f"{unit.number} {unit.bytes}\n".encode())
    at = (lambda part: say({"at": part})) if careful else (lambda part: None)
    spool.write(spool.path_of(folder, label, unit.number), refiner.lines(unit, skip, at))


def say(words: Words) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # nothing to tidy up, and some libraries take their time
