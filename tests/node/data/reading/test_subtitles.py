"""Subtitles: what is said stays, when it is said goes."""

from __future__ import annotations

from pathlib import Path

from node.data.document import Document, Unreadable
from node.data.reading.subtitles import ENOUGH, spoken
from node.data.reading.texts import NOTHING
from tests.node.data.reading.conftest import Read

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Größe</i> hat
ihren Preis.

2
00:00:03,000 --> 00:00:04,000
{\\an8}1984 war es.
"""
VTT = """WEBVTT - a film

NOTE by me

intro
00:01.000 --> 00:02.000 align:start
You <c.x>know

00:02.000 --> 00:03.000
You know
what? 3 < 4
"""


def test_numbers_times_and_tags_are_left_out(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.srt").write_bytes(SRT.replace("\n", "\r\n").encode("cp1252"))
    (tmp_path / "b.vtt").write_text(VTT)
    (tmp_path / "c.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\n")
    assert read() == [
        Document("a.srt", "Größe hat\nihren Preis.\n1984 war es."),
        Document("b.vtt", "You know\nwhat? 3 < 4"),
        Unreadable("c.srt", NOTHING),
    ]


def test_a_paragraph_ends_with_a_sentence() -> None:
    cues = "".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\nthese are words that\nend {n}.\n\n" for n in range(60))
    found = [*spoken([cues])]
    assert len(found) > 2
    assert all(one.endswith(".") and len(one) < 2 * ENOUGH for one in found)
