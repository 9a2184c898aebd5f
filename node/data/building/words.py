"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from node.data.building.facts import LIMITS, Report
from shared.units import day_words, plural, size_words


def markdown(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    meta = report.meta
    yield f"# {meta['name']}"
    yield f"\n{size_words(meta['bytes'])} of text from {_code(meta['source_words'])}, added {day_words(meta['added'])}."
    yield "It never left this PC; this report stays here, too."
    licence = _plain(meta["licence"])
    yield f"Licence, as its owner says: {licence}.\n" if licence else "Nothing was said of a licence.\n"
    yield from _table("", report.flow)
    yield "\n## Lengths of what is kept\n"
    yield from _table("", [(f"up to {size_words(above)}", number) for above, number in report.lengths])
    for bars in report.bars:
        yield f"\n## {bars.title} ({bars.unit})\n"
        if not bars.rows:
            yield "None."
            continue
        yield from _table("", bars.rows, bars.meanings)
        if bars.note:
            yield f"\n{_plain(bars.note)}"
    yield "\n## To look at: what may have been planted\n"
    for one in report.findings:
        names = ", ".join(map(_code, one.names))
        yield f"- {one.kind}: {_code(one.what)} in {plural(one.documents, 'document')} ({names})"
        yield from (f"  - {_code(example)}" for example in one.examples)
    if not report.findings:
        yield "Nothing was found."
    yield "\n## Not read\n"
    for reason, number, first in report.unreadable:
        more = f" and {number - len(first):,} more" if number > len(first) else ""
        yield f"- {number:,} {_plain(reason)}: {', '.join(map(_code, first))}{more}"
    if not report.unreadable:
        yield "Everything was read."
    yield "\n## What this cannot catch\n"
    yield LIMITS
    yield "## Made by\n"
    yield from (f"- {name} {version}" for name, version in report.filters.items())


def _table(
    heading: str, rows: Iterable[tuple[str, int]], meanings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    yield f"| {heading} | |\n|---|---:|"
    for name, number in rows:
        words = f" – *{_plain(meanings[name])}*" if name in meanings else ""
        yield f"| {_plain(name)}{words} | {number:,} |"


def _plain(text: str) -> str:
    """Words that Markdown takes for nothing else."""
    return "".join(f"\\{one}" if one in "\\`*_[]<>|#" else one for one in " ".join(text.split()))


def _code(text: str) -> str:
    return "`" + " ".join(text.split()).replace("`", "'") + "`"
