"""WhatsApp's text files: every country's dates, and only what people wrote."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime

import pytest

from node.data.chats import whatsapp
from node.data.chats.said import Said
from node.data.document import Counts


def parsed(text: str, counts: Counts | None = None) -> list[Said]:
    return list(whatsapp.parse(io.BytesIO(text.encode()), Counter() if counts is None else counts))


def when(text: str) -> list[str]:
    return [datetime.fromtimestamp(one.at or 0, UTC).isoformat(" ", "minutes")[:16] for one in parsed(text)]


EVENING = "2023-12-31 23:59"


@pytest.mark.parametrize(
    "line",
    [
        "12/31/23, 11:59 PM - Ana: hi",  # United States
        "12/31/23, 11:59\u202fPM - Ana: hi",  # newer phones: a narrow blank
        "31/12/2023, 23:59 - Ana: hi",  # United Kingdom
        "31/12/2023, 11:59 pm - Ana: hi",  # India, Australia
        "31.12.23, 23:59 - Ana: hi",  # Germany, Italy
        "31.12.2023 23:59 - Ana: hi",
        "31/12/23 à 23:59 - Ana: hi",  # France
        "31/12/2023 23:59 - Ana: hi",  # Brazil
        "31/12/23, 11:59 p. m. - Ana: hi",  # Mexico
        "31/12/23, 11:59 p.\u00a0m. - Ana: hi",
        "31-12-2023 23:59 - Ana: hi",  # Netherlands
        "2023-12-31 23:59 - Ana: hi",  # Sweden
        "31. 12. 2023 23:59 - Ana: hi",  # Slovakia
        "31.12.2023 klo 23.59 - Ana: hi",  # Finland
        "2023/12/31 23:59 - Ana: hi",  # Japan
        "2023/12/31 下午11:59 - Ana: hi",  # China
        "[31.12.23, 23:59:58] Ana: hi",  # iOS
        "[12/31/23, 11:59:58 PM] Ana: hi",
        "[12/31/23, 11:59:58\u202fPM] Ana: hi",
        "\u200e[31/12/2023, 23:59:58] Ana: hi",
        "[31-12-2023 23:59:58] ~\u202fAna: hi",
        "\ufeff[2023/12/31 23:59:58] Ana: hi",
    ],
)
def test_a_line_of_any_country_is_understood(line: str) -> None:
    (said,) = parsed(line)
    assert (said.speaker, said.text) == ("Ana", "hi")
    assert when(line) == [EVENING]
    assert whatsapp.looks_like(line + "\n")


def test_day_and_month_are_told_apart_by_the_whole_file() -> None:
    american = "1/2/24, 10:00 - Ana: a\n1/3/24, 10:00 - Ana: b\n1/13/24, 10:00 - Ana: c\n"
    british = "1/2/24, 10:00 - Ana: a\n3/2/24, 10:00 - Ana: b\n13/2/24, 10:00 - Ana: c\n"
    assert when(american) == ["2024-01-02 10:00", "2024-01-03 10:00", "2024-01-13 10:00"]
    assert when(british) == ["2024-02-01 10:00", "2024-02-03 10:00", "2024-02-13 10:00"]


def test_time_runs_forward_where_no_date_is_above_twelve() -> None:
    assert when("9/2/24, 10:00 - Ana: a\n2/3/24, 10:00 - Ana: b\n") == ["2024-02-09 10:00", "2024-03-02 10:00"]
    assert when("2/9/24, 10:00 - Ana: a\n3/2/24, 10:00 - Ana: b\n") == ["2024-02-09 10:00", "2024-03-02 10:00"]
    assert when("2/9/24, 10:00 - Ana: a\n") == ["2024-09-02 10:00"]
    assert when("2/9/24, 10:00 AM - Ana: a\n") == ["2024-02-09 10:00"]


@pytest.mark.parametrize(("clock", "hour"), [("12:05 AM", 0), ("12:05 PM", 12), ("1:05 AM", 1), ("11:05 PM", 23)])
def test_noon_and_midnight(clock: str, hour: int) -> None:
    assert when(f"12/31/23, {clock} - Ana: hi") == [f"2023-12-31 {hour:02}:05"]


def test_a_message_may_have_many_lines_and_colons() -> None:
    said = parsed("31.12.23, 23:59 - Ana: a: b\r\n\r\n12:30 - lunch: soup\r\n31.12.23, 23:59 - Bo: c")
    assert [(one.speaker, one.text) for one in said] == [("Ana", "a: b\n\n12:30 - lunch: soup"), ("Bo", "c")]


GENERATED = [
    "<Media omitted>", "<Medien ausgeschlossen>", "<Médias omis>", "<Multimedia omitido>", "<Mídia oculta>",
    "<Media omessi>", "\u200eimage omitted", "image omitted", "Bild weggelassen", "\u200eimage absente",
    "imagen omitida", "\u200eimagem ocultada", "immagine omessa",
    "\u200e<attached: 00000012-PHOTO-2023-12-31.jpg>", "IMG-20231231-WA0001.jpg (file attached)",
    "IMG-20231231-WA0001.jpg (Datei angehängt)", "This message was deleted", "You deleted this message",
    "Diese Nachricht wurde gelöscht.", "Du hast diese Nachricht gelöscht.", "Ce message a été supprimé",
    "Vous avez supprimé ce message", "Se eliminó este mensaje.", "Eliminaste este mensaje.", "Mensagem apagada",
    "Você apagou esta mensagem", "Questo messaggio è stato eliminato", "Hai eliminato questo messaggio",
    "\u200eMessages and calls are end-to-end encrypted. No one outside of this chat can read them.",
    "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Niemand kann sie lesen.", "null", "",
    "Missed voice call", "Verpasster Sprachanruf um 12:30",
]  # fmt: skip


@pytest.mark.parametrize("text", GENERATED)
def test_what_whatsapp_wrote_is_counted_and_left_out(text: str) -> None:
    counts: Counts = Counter()
    assert parsed(f"31.12.23, 23:59 - Ana: {text}\n[31.12.23, 23:59:58] Ana: {text}", counts) == []
    assert counts.total() == 2


@pytest.mark.parametrize(
    "line",
    [
        "Messages and calls are end-to-end encrypted. Tap to learn more.",
        "Ana added Bo", "Bo changed the group's icon", 'Ana changed the subject from "a" to "soup: tonight"',
        "Ana hat den Betreff zu „Suppe: heute“ geändert", "Your security code with Bo changed.",
    ],
)  # fmt: skip
def test_lines_without_a_speaker_are_left_out(line: str) -> None:
    assert parsed(f"31.12.23, 23:59 - {line}") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("see you <This message was edited>", "see you"),
        ("bis dann <Diese Nachricht wurde bearbeitet.>", "bis dann"),
        ("see you \u200e<This message was edited>", "see you"),
        ("IMG-1.jpg (file attached)\nour soup", "our soup"),
        ("our soup\n\u200e<attached: 0001.jpg>", "our soup"),
        ("they say this message was deleted", "they say this message was deleted"),
        ("1 < 2 > 0", "1 < 2 > 0"),
    ],
)
def test_what_people_wrote_stays(text: str, words: str) -> None:
    assert [one.text for one in parsed(f"31.12.23, 23:59 - Ana: {text}")] == [words]


@pytest.mark.parametrize(
    "text",
    [
        "Dear diary,\n12/31/23, 11:59 PM - Ana: hi\n",
        "just some text\nand more\n",
        "2024-01-02 10:11:12,345 - root - INFO: started\n",
        "[2024-01-02 10:11:12] main: started\n",
        "[2024-01-02 10:11:12] main: started: all\n" * 30,
        "[1] Ana: hi\n",
        "",
    ],
)
def test_other_texts_are_not_taken_for_chats(text: str) -> None:
    assert not whatsapp.looks_like(text)


def test_a_file_without_line_ends_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatsapp, "LONGEST", 1000)
    (said,) = parsed("31.12.23, 23:59 - Ana: " + "x" * 100_000)
    assert 1000 <= len(said.text) < 3000


def test_bad_bytes_do_not_stop_it() -> None:
    file = io.BytesIO(b"31.12.23, 23:59 - Ana: caf\xff\n\xfe\x00\n99.99.99, 99:99 - Bo: x\n")
    (said,) = whatsapp.parse(file, Counter())
    assert said.text.startswith("caf\ufffd")
    file.seek(0)  # it is still open
