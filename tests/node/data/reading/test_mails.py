"""Mail: what was written, without addresses, attachments and other people's words."""

from __future__ import annotations

import random
from email.message import EmailMessage
from pathlib import Path

from node.data.document import Document, Unreadable
from node.data.reading import mails
from node.data.reading.read import Entry, Part, documents, inventory, split
from node.data.reading.texts import NOTHING
from tests.node.data.reading.conftest import Read


def letter(subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ana <ana@example.org>"
    message["To"] = "bob@example.org"
    message["Subject"] = subject
    message.set_content(body)
    return message


def test_a_mail_is_its_subject_and_what_was_written(tmp_path: Path, read: Read) -> None:
    message = letter("Grüße aus Köln", "Hello Bob,\n\nsee you.\n-- \nAna, +49 221 1234")
    message.add_alternative("<p>Hello Bob</p>", subtype="html")
    message.add_attachment(b"secret", maintype="text", subtype="plain", filename="a.txt")
    (tmp_path / "a.eml").write_bytes(message.as_bytes())
    assert read() == [Document("a.eml", "Grüße aus Köln\n\nHello Bob,\n\nsee you.", kind="mail")]


def test_a_mail_of_html_only_is_read_as_a_page(tmp_path: Path, read: Read) -> None:
    message = letter("Hi", "")
    message.set_content("<p>One</p><p>Two</p>", subtype="html", charset="iso-8859-1")
    (tmp_path / "a.eml").write_bytes(message.as_bytes())
    assert read() == [Document("a.eml", "Hi\n\nOne\n\nTwo", kind="mail")]


def test_what_others_wrote_is_cut() -> None:
    assert mails.own_words("Yes.\n\nOn 3 May 2024, Ana <a@b.c>\nwrote:\n> no?\n>> yes\n\nBye") == "Yes.\n\nBye"
    assert mails.own_words("Ja.\nAm 3.5.2024 schrieb Ana:\n> nein?") == "Ja."
    assert mails.own_words("I think:\n\n> quoted\n\nright") == "I think:\n\nright"
    assert mails.own_words("See below\n-----Original Message-----\nFrom: Ana\nsecret") == "See below"


def test_charsets_that_lie_do_not_matter(tmp_path: Path, read: Read) -> None:
    head = b"Subject: =?x-unknown?q?a=E4b?=\nContent-Type: text/plain; charset=%s\nContent-Transfer-Encoding: 8bit\n\n"
    (tmp_path / "a.eml").write_bytes(head % b"us-ascii" + "größer".encode())
    (tmp_path / "b.eml").write_bytes(head % b"nonsense" + "größer".encode("cp1252"))
    (tmp_path / "c.eml").write_bytes(head % b"koi8-r" + "привет".encode("koi8_r"))
    assert [one.text for one in read() if isinstance(one, Document)] == [
        "aäb\n\ngrößer",
        "aäb\n\ngrößer",
        "aäb\n\nпривет",
    ]


def test_a_mailbox_is_read_mail_by_mail(tmp_path: Path, read: Read) -> None:
    mail = "From ana@x Fri May  3 10:00:00 2024\nSubject: %d\n\nText %d\n>From here on.\n\n"
    (tmp_path / "Inbox").write_text(mail % (1, 1) + mail % (2, 2))
    assert read() == [
        Document("Inbox!0", "1\n\nText 1\nFrom here on.", kind="mail"),
        Document(f"Inbox!{len(mail % (1, 1))}", "2\n\nText 2\nFrom here on.", kind="mail"),
    ]


def test_a_mail_without_words_and_one_that_is_no_mail_are_told(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.eml").write_bytes(b"Subject: hi\n\n\n")
    (tmp_path / "b.eml").write_bytes(bytes(range(256)) * 20)
    assert read() == [Unreadable("a.eml", NOTHING), Unreadable("b.eml", NOTHING)]


def test_parts_read_apart_are_the_whole(tmp_path: Path) -> None:
    chance = random.Random(2)
    data = b""
    for number in range(120):
        message = letter(f"Mail {number}", "Some words.\n\nFrom here.\n" * chance.choice([1, 50]))
        if number % 4 == 0:
            message.add_attachment(chance.randbytes(50_000), maintype="image", subtype="png", filename="a.png")
        data += b"From ana@x Fri May  3 10:00:00 2024\n" + message.as_bytes() + b"\n"
    data += b"From ana@x Fri May  3 10:00:00 2024\nSubject: long\n\nwords\n" + b"x" * (mails.MAX_MAIL + 99) + b"\n\n"
    (tmp_path / "a.mbox").write_bytes(data + b"From ana@x Fri May  3 10:00:00 2024\nSubject: last\n\nwords\n")
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    whole = list(documents(tmp_path, Part(entry)))
    parts = list(split(tmp_path, entry))
    assert len(whole) == 122
    assert all(isinstance(one, Document) for one in whole)
    assert len(parts) >= 6
    assert [item for part in parts for item in documents(tmp_path, part)] == whole
