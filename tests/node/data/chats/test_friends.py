"""Friends who export the same chat: nobody is scored on what another trains on, without anybody comparing notes."""

from __future__ import annotations

import hmac
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

from node.data import chat, shards
from node.data.building.build import Wish, build
from node.data.building.choices import Choices
from node.data.chats.exports import Export, Format, Rules, Wishes, documents, recognise
from node.data.chats.parts import Part, cut, parts
from node.data.chats.people import Pseudonyms
from node.data.chats.said import mention
from node.data.document import Document
from node.data.heldout import ONE_IN, Fate, normalised

KEY = b"k" * 32
PEOPLE = ("ana", "bo", "cy", "di")
VERBS = ("cook", "bring", "carry", "forget", "remember", "paint", "mend", "borrow", "wash", "draw", "find", "count")
MORE = ("", "", " {bo}?", "\nand then the rest", " \N{PARTY POPPER}", "...", " — *really* soon, Ana!")
THINGS = ("soup", "chairs", "bread", "lamps", "games", "pictures", "apples", "plates", "songs", "maps", "tea")


@dataclass(frozen=True)
class Line:
    """One message, before any phone has written it down."""

    who: str
    at: float
    text: str  # "{bo}" mentions bo; "note 17" says which one it is
    edited: bool = False


@dataclass(frozen=True)
class Friend:
    """How one of them has the chat."""

    me: str
    names: dict[str, str]  # what this friend's phone calls everybody
    write: Callable[[list[Line], dict[str, str]], tuple[str, str]]  # an export's name and text
    since: int = 0
    leave_out: tuple[str, ...] = ()


def the_chat(count: int = 600) -> list[Line]:
    chance, now, lines = random.Random(7), 1_700_000_000.0, []
    for number in range(count):
        now += chance.choice([20, 60, 90, 40, 400, 100, 40_000])
        words = f"shall we {chance.choice(VERBS)} the {chance.choice(THINGS)} and {chance.choice(THINGS)}"
        extra = chance.choice(MORE)
        text = "ok" if number % 9 == 0 else f"note {number}: {words}{extra}"
        lines.append(Line(chance.choice(PEOPLE), now, text, edited=number % 17 == 0))
    return lines


def android(lines: list[Line], names: dict[str, str]) -> tuple[str, str]:
    out = ["01.11.23, 08:00 - Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt."]
    for line in lines:
        when = datetime.fromtimestamp(line.at, UTC).strftime("%d.%m.%y, %H:%M")
        text = re.sub(r"{(\w+)}", lambda found: f"@{mention(names[found[1]])[1:]}", line.text)
        out.append(f"{when} - {names[line.who]}: {text}{' <Diese Nachricht wurde bearbeitet>' * line.edited}")
    return "WhatsApp Chat mit Kochen.txt", "\n".join(out) + "\n"


def ios(lines: list[Line], names: dict[str, str]) -> tuple[str, str]:
    out = ["[11/1/23, 8:00:00\u202fAM] Cooking: \u200eMessages and calls are end-to-end encrypted."]
    for line in lines:
        when = datetime.fromtimestamp(line.at, UTC)
        clock = f"{when.month}/{when.day}/{when:%y}, {when.hour % 12 or 12}:{when:%M:%S}\u202f{when:%p}"
        text = re.sub(r"{(\w+)}", "@491701234567", line.text)
        edited = " \u200e<This message was edited>" * line.edited
        out.append(f"[{clock}] {names[line.who]}: {text}{edited}")
    return "_chat.txt", "\r\n".join(out) + "\r\n"


def telegram(lines: list[Line], names: dict[str, str]) -> tuple[str, str]:
    messages = []
    for line in lines:
        plain, colon, more = line.text.partition("{bo}")
        text: object = [plain, {"type": "mention", "text": "@bo_b"}, more] if colon else plain
        if "*really*" in plain:
            plain, _, more = plain.partition("*really*")
            text = [plain, {"type": "bold", "text": "really"}, more]
        messages.append({"type": "message", "date_unixtime": f"{line.at:.0f}", "from": names[line.who],
                         "from_id": f"user{PEOPLE.index(line.who)}", "text": text})  # fmt: skip
    whole = {"name": "Cooking", "type": "private_group", "id": 9, "messages": messages}
    return "result.json", json.dumps(whole, indent=1, ensure_ascii=False)


FRIENDS = (
    Friend("Ana", {"ana": "Ana", "bo": "Bo Berg", "cy": "Cyril (Uni)", "di": "+49 171 7654321"}, android),
    Friend("Bo B.", {"ana": "Ana Banana", "bo": "Bo B.", "cy": "~ C", "di": "Di \N{CHERRY BLOSSOM}"}, ios,
           leave_out=("Di \N{CHERRY BLOSSOM}",)),
    Friend("Cy", {"ana": "Ana M", "bo": "Bo", "cy": "Cy", "di": "Diana"}, telegram, since=300),
)  # fmt: skip

Rule = Callable[[Document], Iterator[Part]]


def by_message(document: Document) -> Iterator[Part]:
    yield from parts(document, KEY)


def by_conversation(document: Document) -> Iterator[Part]:
    """The rule before: one fate for all that is said in a conversation."""
    words = chat.words([{"role": one.role, "content": one.content} for one in document.messages])
    mac = hmac.digest(KEY, normalised(words).encode(), "sha256")
    its = Fate.TRAIN if int.from_bytes(mac, "big") % ONE_IN else Fate.TEST
    for part in cut(document.messages, [Fate.TRAIN] * len(document.messages)):
        yield Part(its, part.text, part.messages)


def learnt_and_scored(friend: Friend, rule: Rule) -> tuple[set[str], set[str]]:
    """The notes that this friend's model reads in training, and those that it is scored on."""
    name, text = friend.write(the_chat()[friend.since :], friend.names)
    format = recognise(name, text[:4000])
    assert format is not None
    rules = Rules(Wishes((friend.me,), friend.leave_out), Pseudonyms(friend.me.encode().ljust(32)), KEY)
    learnt, scored = set(), set()
    for document in documents(Export(name, Format(format), io.BytesIO(text.encode())), rules, Counter()):
        assert isinstance(document, Document)
        for part in rule(document):
            if part.fate is Fate.TRAIN:
                learnt |= notes(part.text)
            else:
                replies = [turn for turn in part.messages if turn["role"] == "assistant"]
                scored |= {note for turn in replies for note in notes(turn["content"][turn.get("read", 0) :])}
    return learnt, scored


def notes(text: str) -> set[str]:
    return set(re.findall(r"note \d+", text))


def leaks(rule: Rule) -> set[str]:
    found = [learnt_and_scored(friend, rule) for friend in FRIENDS]
    return {note for _, scored in found for note in scored if any(note in learnt for learnt, _ in found)}


def test_nobody_is_scored_on_what_another_trains_on() -> None:
    assert leaks(by_message) == set()


def test_in_the_shards_of_three_friends_nobody_is_scored_on_what_another_trains_on(tmp_path: Path) -> None:
    """The whole way, with the chat in a zip, and some of it copied into notes by one of them."""
    learnt, scored = set(), set()
    for friend in FRIENDS:
        folder = tmp_path / friend.me
        folder.mkdir()
        name, text = friend.write(the_chat()[friend.since :], friend.names)
        (folder / name).write_text(text, "utf-8")
        if friend.write is android:
            with ZipFile(folder / "WhatsApp.zip", "w") as zipped:
                zipped.write(folder / name, name)
            (folder / name).unlink()
        if friend.since:  # of what was said before, only notes
            (folder / "notes.txt").write_text(
                "\n\n".join(line.text for line in the_chat()[::3] if "{" not in line.text), "utf-8"
            )
        choices = Choices(me=(friend.me,), leave_out=friend.leave_out)
        build(Wish(tmp_path / f"home of {friend.me}", folder, "chat", choices), KEY)
        made = tmp_path / f"home of {friend.me}" / "data" / "chat"
        mine = [sample["json"].get("messages", []) for sample in shards.read(made, "held")]
        mine_learnt = {note for sample in shards.read(made, "train") for note in notes(sample["txt"])}
        mine_scored = {
            note for turns in mine for turn in turns if turn["role"] == "assistant"
            for note in notes(turn["content"][turn.get("read", 0) :])
        }  # fmt: skip
        prose = {note for sample in shards.read(made, "held") if "messages" not in sample["json"]
                 for note in notes(sample["txt"])}  # fmt: skip
        assert len(mine_learnt) > 100
        assert mine_scored
        assert prose or not friend.since
        learnt |= mine_learnt
        scored |= mine_scored | prose
    assert not learnt & scored


def test_with_one_fate_a_conversation_they_are() -> None:
    assert len(leaks(by_conversation)) > 5


def test_everybody_still_has_something_to_learn_and_to_be_scored_on() -> None:
    for friend in FRIENDS:
        learnt, scored = learnt_and_scored(friend, by_message)
        said = len(range(600)[friend.since :])
        assert len(learnt) > said / 3
        assert len(scored) > said / 4 * 0.8 / 10 * 0.4  # a quarter is theirs, some of it began a conversation


def test_no_friend_is_named_in_what_another_learns() -> None:
    for friend in FRIENDS:
        name, text = friend.write(the_chat(), friend.names)
        export = Export(name, recognise(name, text) or Format.WHATSAPP, io.BytesIO(text.encode()))
        found = documents(export, Rules(Wishes((friend.me,)), Pseudonyms(b"p" * 32), KEY), Counter())
        talks = [document for document in found if isinstance(document, Document)]
        words = set(re.findall(r"\w+", "\n".join(one.content for talk in talks for one in talk.messages)))
        others = [name for who, name in friend.names.items() if name != friend.me]
        assert words
        assert not {part for name in others for part in re.findall(r"[A-Z]\w+|\d{6,}", name)} & words


def test_what_is_short_in_a_named_test_file_is_trained_on_elsewhere(tmp_path: Path) -> None:
    talk = [("user", "are you coming?"), ("assistant", "ok"), ("user", "when?"), ("assistant", "at nine")]
    more = [*talk, ("user", "and who else?"), ("assistant", "all of us")]
    for name, said in (("test.jsonl", talk), ("rest.jsonl", more)):
        turns = [{"role": role, "content": content} for role, content in said]
        (tmp_path / name).write_text(json.dumps({"messages": turns}))
    build(Wish(tmp_path / "home", tmp_path, "talk", Choices(hold_out=("test.jsonl",))), KEY)
    (trained,) = shards.read(tmp_path / "home" / "data" / "talk", "train")
    assert [turn["content"] for turn in trained["json"]["messages"]] == [content for _, content in more]
