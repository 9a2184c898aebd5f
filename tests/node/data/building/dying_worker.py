"""A worker that a file called deadly.txt kills, as a bug in a library's C code would."""

from __future__ import annotations

import os
from collections.abc import Iterator

from node.data.building import refining, worker
from node.data.building.plan import Part
from node.data.document import Counts, Document, Unreadable

honest = refining.read


def read(work: refining.Work, part: Part, counts: Counts) -> Iterator[Document | Unreadable]:
    if part.name == "deadly.txt":
        os._exit(9)
    return honest(work, part, counts)


if __name__ == "__main__":
    refining.read = read
    worker.main()
