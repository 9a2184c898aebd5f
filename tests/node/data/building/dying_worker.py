"""A worker that a file called deadly.txt kills, as a bug in a library's C code would; quoted.txt kills it in Python.

The latter says what it read when it dies, in every way there is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

from node.data.building import refining, worker
from node.data.building.plan import Part
from node.data.document import Counts, Document, Unreadable

honest = refining.read


def read(work: refining.Work, part: Part, counts: Counts) -> Iterator[Document | Unreadable]:
    if part.name == "deadly.txt":
        os._exit(9)
    if part.name == "quoted.txt":
        text = (work.source / part.name).read_text()
        os.write(2, f"warning: {text}".encode())  # as a library in another language does
        logging.getLogger("library").error(text)
        try:
            int(text)
        except ValueError as error:
            raise RuntimeError(f"cannot be read: {text}") from error
    return honest(work, part, counts)


if __name__ == "__main__":
    refining.read = read
    worker.main()
