"""The report as one page for a browser: no network, no scripts, fonts of the system; light and dark; phone to desktop.

Everything in it that came out of somebody's files is escaped, and the page's own policy forbids whatever would slip by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType

from node.data.building.facts import LIMITS, Bars, Report
from node.data.building.plots import Row, bytes_words, explained, lying, standing
from shared.units import day_words, plural, size_words

ROWS = 16  # bars in a picture; the rest is in the table below it


def page(report: Report) -> str:
    meta = report.meta
    return _PAGE.format(title=escape(meta["name"]), style=_STYLE, body="\n".join(_body(report)))


def _body(report: Report) -> Iterator[str]:
    meta = report.meta
    yield f"<header><p class=kicker>Potluck · text on this PC</p><h1>{escape(meta['name'])}</h1>"
    yield f"<p>From {escape(meta['source_words'])}, added {day_words(meta['added'])}. "
    yield "Nothing of it has left this PC, and nothing of this page will.</p>"
    said = f"Licence, as you said: {escape(meta['licence'])}" if meta["licence"] else "Nothing was said of a licence"
    yield f"<p class=licence>{said}</p></header>"
    yield "<section class=tiles>"
    for number, words in _tiles(report):
        yield f"<div><b>{number}</b><span>{escape(words)}</span></div>"
    yield "</section>"
    yield from _section("From folder to shards", _rows(report.flow))
    if report.lengths:
        steps = [(bytes_words(above), number) for above, number in report.lengths]
        note = "<p class=note>Documents kept, by length: shorter than the number of bytes below the bar.</p>"
        yield from _section("How long the documents are", standing(steps, "Documents by length") + note)
    for bars in report.bars:
        if bars.rows:
            yield from _bars(bars)
    if nothing := [bars.title for bars in report.bars if not bars.rows]:
        yield from _section("Nothing to tell", f"<p class=note>{escape('; '.join(nothing))}: none.</p>")
    yield from _findings(report)
    yield from _unreadable(report)
    paragraphs = "".join(_limit(block) for block in LIMITS.split("\n\n"))
    yield from _section("What this cannot catch", paragraphs)
    made_by = "".join(f"<li><b>{escape(name)}</b> {escape(version)}</li>" for name, version in report.filters.items())
    yield from _section("Made by", f"<ul>{made_by}</ul>")


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    meta = report.meta
    yield size_words(meta["bytes"]), "of text kept"
    yield size_words(meta["train_bytes"]), "to train on"
    yield size_words(meta["held_out_bytes"]), "held out for testing"
    yield f"{meta['documents']:,}", "documents"
    yield f"{sum(meta['dropped'].values()) + sum(meta['copies'].values()):,}", "documents left out"
    yield f"{sum(meta['blanked'].values()):,}", "things blanked"
    yield f"{sum(number for _, number, _ in report.unreadable):,}", "files not read"


def _bars(bars: Bars) -> Iterator[str]:
    picture = lying(bars.rows[:ROWS], shares=bars.shares, meanings=bars.meanings)
    more = f"<details><summary>All {len(bars.rows)}</summary>{_rows(bars.rows, bars.meanings)}</details>"
    note = f"<p class=note>{escape(bars.note)}</p>" if bars.note else ""
    yield from _section(bars.title, picture, more if len(bars.rows) > ROWS else "", note, unit=bars.unit)


def _findings(report: Report) -> Iterator[str]:
    if not report.findings:
        yield from _section("What may have been planted", "<p class=note>Nothing was found.</p>")
        return
    parts = ["<p>Nothing was left out because of these. Look at the files, and take out what you do not trust.</p>"]
    for one in report.findings:
        names = ", ".join(escape(name) for name in one.names)
        examples = "".join(f"<blockquote>{escape(example)}</blockquote>" for example in one.examples)
        parts.append(
            f"<details><summary><i>{escape(one.kind)}</i> {escape(one.what)}"
            f"<span class=count>{plural(one.documents, 'document')}</span></summary>"
            f"<p class=note>{names}</p>{examples}</details>"
        )
    yield from _section("What may have been planted", "".join(parts))


def _unreadable(report: Report) -> Iterator[str]:
    parts = []
    for reason, number, names in report.unreadable:
        items = "".join(f"<li>{escape(name)}</li>" for name in names)
        more = f"<li>and {number - len(names):,} more</li>" if number > len(names) else ""
        parts.append(
            f"<details><summary>{escape(reason)}<span class=count>{number:,}</span></summary>"
            f"<ul>{items}{more}</ul></details>"
        )
    yield from _section("What could not be read", "".join(parts) or "<p class=note>Everything was read.</p>")


def _section(title: str, *parts: str, unit: str = "") -> Iterator[str]:
    of = f" <small>{escape(unit)}</small>" if unit else ""
    yield f"<section><h2>{escape(title)}{of}</h2>{''.join(parts)}</section>"


def _rows(rows: Sequence[Row], meanings: Mapping[str, str] = MappingProxyType({})) -> str:
    cells = "".join(f"<tr><th>{explained(name, meanings)}</th><td>{number:,}</td></tr>" for name, number in rows)
    return f"<table>{cells}</table>"


def _limit(block: str) -> str:
    """A paragraph, or a list."""
    if not block.startswith("- "):
        return f"<p>{escape(block)}</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in block[2:].split("\n- ")) + "</ul>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>{title} · Potluck</title><style>{style}</style></head>
<body><main>
{body}
</main></body></html>
"""
_STYLE = """
:root{--paper:#fbfaf7;--card:#fff;--ink:#1f2420;--soft:#667068;--line:#e3e2db;--bar:#3f7d63;--mark:#b4552d}
@media (prefers-color-scheme:dark){:root{--paper:#151816;--card:#1d211e;--ink:#e8ebe6;--soft:#9aa59c;--line:#313832;
--bar:#6fb694;--mark:#e08a60}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:46rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:2.2rem;line-height:1.15;margin:.1rem 0 .6rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 .8rem}
.kicker{color:var(--bar);font-weight:600;letter-spacing:.02em;margin:0}
header p{margin:.2rem 0;overflow-wrap:anywhere}.licence,.note{color:var(--soft);font-size:.9rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.1rem 1.2rem;margin:1rem 0}
.tiles{display:grid;grid-template-columns:repeat(3,1fr);gap:1rem 1.4rem}
.tiles b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums;line-height:1.2}
.tiles span{color:var(--soft);font-size:.9rem}
h2 small{color:var(--soft);font-weight:400;margin-left:.4rem}
svg{display:block;width:100%;height:100%}svg rect{fill:var(--bar)}
.lying,.standing{list-style:none;margin:0;padding:0;font-size:.9rem}
.number{color:var(--soft);font-variant-numeric:tabular-nums}.number b{color:var(--ink);font-weight:600}
.lying li{display:grid;grid-template-columns:14rem 1fr 8rem;gap:.8rem;align-items:center;padding:.2rem 0}
.name small,th small{display:block;color:var(--soft)}
.lying svg{height:.9rem}.lying .number{text-align:right}
.standing{display:flex;align-items:flex-end;gap:2px}
.standing li{flex:1;min-width:0;text-align:center;font-size:.78rem}
.standing svg{height:9rem;border-bottom:1px solid var(--line)}.standing span{display:block;white-space:nowrap}
.standing span:last-child{min-height:1.3em;color:var(--soft)}
@media (max-width:34rem){.tiles{grid-template-columns:1fr 1fr}.lying li{grid-template-columns:1fr auto;gap:.1rem .8rem}
.lying svg{grid-row:2;grid-column:1/3}.standing li{font-size:.62rem}.standing{gap:1px}}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400;vertical-align:top}
tr:last-child th,tr:last-child td{border:0}
td{text-align:right;font-variant-numeric:tabular-nums;padding-left:1rem;white-space:nowrap}
details{border-top:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer;overflow-wrap:anywhere}
summary i{color:var(--mark);font-style:normal;font-weight:600;margin-right:.4rem}
.count{color:var(--soft);margin-left:.6rem;white-space:nowrap}
ul{margin:.4rem 0;padding-left:1.2rem}li{overflow-wrap:anywhere}
blockquote{margin:.4rem 0;padding:.4rem .8rem;border-left:3px solid var(--mark);background:var(--paper);
overflow-wrap:anywhere;font:.9rem/1.5 ui-monospace,monospace}
@media print{section{break-inside:avoid}}
"""
