"""How much of what is private is blanked, and how much of what is blanked is private: the lower of the two.

On the labelled set of the tests, with another seed: documents in six languages, every kind of private data, made from
the formats' definitions, and what only looks like it. Speed is told beside it, on text found on the machine.
"""

from __future__ import annotations

import gzip
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from node.data.document import Document, Kind
from node.data.privacy import Options, Privacy
from tests.benchmarks.report import Figure
from tests.node.data.privacy import sentences
from tests.node.data.privacy.labelled import OWN_LIST, Score, labelled, score

DOCUMENTS, SEED = 3000, 20_261_128
MOST = 8_000_000  # characters of each kind of real text
MAN, STDLIB = Path("/usr/share/man"), Path(sysconfig.get_path("stdlib"))


def measure(folder: Path) -> Figure:
    """The lower of recall and precision."""
    privacy = Privacy(Options(words=OWN_LIST))
    result = score((page, privacy.hits(page.document)) for page in labelled(DOCUMENTS, SEED))
    detail = f"{in_words(result)}; {speed(privacy, 'prose', manuals())}; {speed(privacy, 'code', programs())}"
    figure = Figure("data_pii", min(result.recall, result.precision), "ratio", 0.95, "higher", detail)
    return figure.explained(f"missed {'; '.join(result.missed[:5])}; wrong {'; '.join(result.wrong[:5])}")


def in_words(result: Score) -> str:
    there, said = result.there.total(), result.said.total()
    (recall, least_found), (precision, least_right) = result.worst("recall"), result.worst("precision")
    return (
        f"{DOCUMENTS} documents in {len(sentences.LANGUAGES)} languages, seed {SEED}: recall {result.recall:.4f} of "
        f"{there}, worst {least_found} {recall:.3f}; precision {result.precision:.4f} of {said}, worst {least_right} "
        f"{precision:.3f}"
    )


def speed(privacy: Privacy, kind: Kind, texts: Iterator[str]) -> str:
    """MB/s of processor time, and what was found in text that hardly has any."""
    documents, size = [], 0
    for text in texts:
        documents.append(Document("", text, kind=kind))
        if (size := size + len(text)) > MOST:
            break
    if not size:
        return f"no {kind} here to measure on"
    since = process_time()
    found = sum(len(hits) for document in documents for hits in privacy.hits(document))
    seconds = process_time() - since
    since = process_time()
    for document in documents:
        re.findall(r"\w+", document.text)
    words = process_time() - since
    return (
        f"{size / 1e6 / seconds:.1f} MB/s on {size / 1e6:.0f} MB of {kind} ({found / size * 1e6:.0f} findings a MB), "
        f"where taking it apart into words goes at {size / 1e6 / words:.0f} MB/s"
    )


def manuals() -> Iterator[str]:
    """Man pages, as they are written."""
    for path in sorted(MAN.glob("man*/*.gz")):
        yield gzip.decompress(path.read_bytes()).decode(errors="replace")


def programs() -> Iterator[str]:
    """Python's own library."""
    for path in sorted(STDLIB.rglob("*.py")):
        if "site-packages" not in path.parts:
            yield path.read_text(errors="replace")
