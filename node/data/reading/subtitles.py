"""Subtitles (.srt, .vtt): what is said, without numbers, times and tags; lines that belong together are a paragraph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from node.data.reading.texts import text_paragraphs

ENOUGH, MOST = 600, 4000  # characters of a paragraph: it ends with a sentence, or where it must
_TIMES = re.compile(r"\s*(?:\d+:)?\d\d:\d\d[.,]\d{3}\s+-->\s")
_NOT_SAID = re.compile(r"\ufeff?(?:WEBVTT|NOTE|STYLE|REGION)\b")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{0,50}\}")
_SENTENCE_ENDS = re.compile(r"[.!?…。！？][\"'”’»)]*$")


def spoken(texts: Iterable[str]) -> Iterator[str]:
    """Paragraphs of a file that comes in pieces. What stands in two cues, one after the other, is said once."""
    held: list[str] = []
    size, last = 0, ""
    for line in _lines(texts):
        if line == last:
            continue
        held.append(line)
        size, last = size + len(line), line
        if size > MOST or (size > ENOUGH and _SENTENCE_ENDS.search(line)):
            yield "\n".join(held)
            held, size = [], 0
    if held:
        yield "\n".join(held)


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for cue in text_paragraphs(text):
            lines = cue.split("\n")
            times = next((at for at, line in enumerate(lines[:2]) if _TIMES.match(line)), None)
            if times is None and _NOT_SAID.match(cue):
                continue
            for line in lines if times is None else lines[times + 1 :]:
                if said := _TAG.sub("", line).strip():
                    yield said
