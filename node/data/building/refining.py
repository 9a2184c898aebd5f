"""One unit of input refined: read, cleaned, blanked, screened, its words marked. Stateless: any worker may do any unit.

What comes out are lines of JSON. A document has `name`, `kind` and `pieces` (its paragraphs) or `said` (messages). Each
has its words, their mark (equal words, equal mark) and its fate by the group's key. `blanked` counts what was, of this
document. After some documents come their `signatures`, by which copies are found.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import xxhash

from node.data import cleaning, privacy, screening
from node.data.building.choices import Choices
from node.data.building.plan import Part, Unit
from node.data.chats import exports
from node.data.chats.parts import marked, message_fate
from node.data.chats.people import Pseudonyms
from node.data.document import Counts, Document, Dropped, Unreadable
from node.data.duplicates.signatures import signatures, words_of
from node.data.heldout import Fate, are_held_out, normalised, paragraphs
from node.data.reading import read as reading
from node.data.reading.files import CHANGED, Entry, opened, shown, unchanged
from node.data.reading.read import Options

Words = dict[str, Any]
BATCH = 1 << 20  # characters whose signatures are made at a time
TOLD = 1000  # unreadable things told at a time: an archive may hold very many
BLANKED = "blanked: "  # counted of a document when it is kept
_SPOKEN = "language characters: "  # as the stage that judges languages counts them


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker must know."""

    source: Path  # the folder that is read
    group_key: bytes
    pseudonym_key: bytes
    choices: Choices


class Refiner:
    """Holds the stages, which take a moment to load."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._stages = stages(work.choices)

    def lines(
        self, unit: Unit, skip: Sequence[int] = (), at: Callable[[int], None] = lambda part: None
    ) -> Iterator[Words]:
        """The refined documents of a unit; then what could not be read and what was counted."""
        counts: Counts = Counter()
        unreadable: list[Unreadable] = []
        poison = screening.Poison()
        batch: list[str] = []
        length = 0
        for number, part in enumerate(unit.parts):
            at(number)
            if number in skip:
                unreadable.append(Unreadable(part.name, "made our reader crash (twice), so it was left out"))
                continue
            for found in read(self._work, part, counts):
                if isinstance(found, Unreadable):
                    unreadable.append(found)
                    if len(unreadable) == TOLD:
                        yield {"unreadable": _told(unreadable)}
                        unreadable.clear()
                    continue
                counts["documents read"] += 1
                its = Counter[str]()
                refined = self._through(found, its)
                language = _language(its)
                blanked = {name: its.pop(name) for name in [*its] if name.startswith(BLANKED)}
                counts.update(its)
                if isinstance(refined, Dropped):
                    counts[f"dropped: {refined.rule}"] += 1
                    continue
                if self._work.choices.poison:
                    poison.add(found, refined)
                yield {**self.marked(found, refined, part), "language": language, "blanked": blanked}
                batch.append(words_of(refined))
                length += len(batch[-1])
                if length >= BATCH:
                    yield signed(batch)
                    batch, length = [], 0
        if batch:
            yield signed(batch)
        if self._work.choices.poison:
            yield {"poison": b64encode(poison.to_bytes()).decode()}
        yield {"unreadable": _told(unreadable), "counts": counts}

    def _through(self, document: Document, counts: Counts) -> Document | Dropped:
        for stage in self._stages:
            went = stage(document, counts)
            if isinstance(went, Dropped):
                return went
            document = went
        return document

    def marked(self, raw: Document, refined: Document, part: Part) -> Words:
        """The line of a document."""
        words: Words = {"name": refined.name, "kind": refined.kind, "tested": part.tested}
        key = self._work.group_key
        if refined.messages:
            words["said"] = [
                [one.role, one.content, one.speaker, mark(one.content), message_fate(key, one)]
                for one in refined.messages
            ]
        else:
            forms = aligned([*paragraphs(raw.text)], texts := [*paragraphs(refined.text)])
            words["pieces"] = [
                [text, *_mark_and_fate(key, text, before)] for text, before in zip(texts, forms, strict=True)
            ]
        return words


def _language(counts: Counts) -> str:
    """Of one document, by what its stages counted; "" where none looked."""
    return next((name.removeprefix(_SPOKEN) for name in counts if name.startswith(_SPOKEN)), "")


def aligned(raw: Sequence[str], refined: Sequence[str]) -> Iterator[Sequence[str]]:
    """For each refined paragraph the forms it may have had in the file; none where it stands there as it is.

    Where as many paragraphs lie between two that are unchanged as lay there before, each is the form of its neighbour;
    else any of them may be.
    """
    at, places = 0, dict[str, list[int]]()
    for number, paragraph in enumerate(raw):
        places.setdefault(paragraph, []).append(number)
    changed = 0
    ended: list[str | None] = [*refined, None]
    for text in ended:
        place = None if text is None else next((one for one in places.get(text, ()) if one >= at), None)
        if text is not None and place is None:
            changed += 1
            continue
        between = raw[at : len(raw) if place is None else place]
        yield from ([one] for one in between) if len(between) == changed else [between] * changed
        if text is not None and place is not None:
            yield ()
            at, changed = place + 1, 0


def mark(text: str) -> str:
    """The same for the same words, however they are dressed."""
    return _mark(normalised(text))


def _mark_and_fate(group_key: bytes, text: str, before: Sequence[str]) -> tuple[str, Fate]:
    """Of a paragraph, and of the forms it may have had."""
    words = normalised(text)
    held = {are_held_out(group_key, form) for form in (words, *map(normalised, before))}
    its = Fate.TEST if held == {True} else Fate.SET_ASIDE if held == {True, False} else Fate.TRAIN
    return _mark(words), its


def _mark(words: str) -> str:
    return xxhash.xxh3_128_hexdigest(words.encode("utf-8", "surrogatepass"))


def signed(texts: Sequence[str]) -> Words:
    """The line of the signatures of some documents."""
    made = signatures(texts)
    arrays = {"exact": made.exact, "bands": made.bands, "bins": made.bins}
    return {"signatures": {name: b64encode(array.tobytes()).decode() for name, array in arrays.items()}}


def _told(unreadable: Sequence[Unreadable]) -> list[list[str]]:
    return [[one.name, one.reason] for one in unreadable]


class Filter(Protocol):
    """A stage that says who it is."""

    name: str
    version: str

    def __call__(self, document: Document, counts: Counts, /) -> Document | Dropped: ...


def stages(choices: Choices) -> list[Filter]:
    """In their order. Raises OwnerMustAct for choices that make no sense."""
    found: list[Filter] = []
    if choices.clean:
        found += cleaning.stages(
            cleaning.Options(choices.languages, True, choices.no_rules, choices.rules, choices.web_rules)
        )
    if choices.blank:
        found.append(
            privacy.Privacy(
                privacy.Options(words=choices.blank_list, spacy_model=choices.spacy_model, country=choices.country)
            )
        )
    abuse = screening.Options(choices.toxicity, choices.toxicity_threshold, choices.abuse_list)
    return [*found, *screening.stages(abuse)]


def versions(choices: Choices) -> dict[str, str]:
    """Which readers and filters make the shards. Loads them, so that what is wrong is said at once."""
    return {"reading": str(reading.VERSION), **{stage.name: stage.version for stage in stages(choices)}}


def read(work: Work, part: Part, counts: Counts) -> Iterator[Document | Unreadable]:
    """What lies in a part."""
    entry = Entry(part.name, part.size, part.mtime_ns)
    if part.export:
        yield from _export(work, part, entry, counts)
        return
    options = Options(work.choices.field, work.choices.encoding)
    for found in reading.documents(work.source, reading.Part(entry, part.start, part.stop), options, counts):
        yield marked(found, work.group_key) if isinstance(found, Document) and found.messages else found


def _export(work: Work, part: Part, entry: Entry, counts: Counts) -> Iterator[Document | Unreadable]:
    """The conversations of a chat export."""
    file = opened(work.source, entry)
    if isinstance(file, Unreadable):
        yield file
        return
    wishes = work.choices
    rules = exports.Rules(
        exports.Wishes(wishes.me, wishes.leave_out, wishes.only_mine, wishes.keep_names),
        Pseudonyms(work.pseudonym_key, wishes.keep_names),
        work.group_key,
    )
    beside = work.source / part.name
    with file:
        channel = beside.with_name(exports.CHANNEL)
        about = channel.read_bytes() if channel.is_file() and channel.stat().st_size < 1 << 20 else b""
        export = exports.Export(shown(part.name), exports.Format(part.export), file, about)
        yield from exports.documents(export, rules, counts)
        if not unchanged(file, entry):
            yield Unreadable(shown(part.name), CHANGED)
