"""Files whose name does not tell what they are."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading.kinds import Format, format_of, needs_a_look
from node.data.reading.looks import is_text
from node.data.reading.read import Entry, Part, documents, inventory, split
from node.data.reading.texts import BLOCK
from tests.node.data.reading.conftest import Read

PROSE = (
    "Über den Wolken muss die Freiheit\nwohl grenzenlos sein. So steht es dort;\nund jeder glaubt es gern.\n\n  Ende."
)
SETTINGS = "[mail]\nserver = example.org\n# where letters go\nport = 25\n\n[colours]\nink = black\n"
PROGRAM = 'int main(void) {\n    return puts("x");\n}\n'


@pytest.mark.parametrize("name", ["README.Debian", "notes of 3. May, second part", "a.zzz", "LICENSE", "Brief.alt"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-16-le"])
def test_a_text_is_read_whatever_it_is_called(tmp_path: Path, read: Read, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(PROSE.encode(encoding))
    assert read() == [Document(name, PROSE)]


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("a.cfg", PROSE, Format.CODE),
        ("a.zzz", SETTINGS, Format.CODE),
        ("a.zzz", PROGRAM * 9, Format.CODE),
        ("start", "#!/bin/sh\necho one word\n", Format.CODE),
        ("a.zzz", PROSE, Format.TEXT),
        ("CHANGES", " * One thing (and another)\n   goes on here\n * Two\n", Format.TEXT),
        ("index.asp", "<!-- saved -->\n<!DOCTYPE html><p>x", Format.HTML),
        ("archive", "From ana@x.org Mon Jan  1 10:00:00 2024\nSubject: x\n\nx\n", Format.MAILBOX),
    ],
)
def test_what_it_is_its_words_tell(name: str, text: str, format: Format) -> None:
    assert format_of(name, text.encode()) is format


def test_what_is_no_text_is_of_an_unknown_kind(tmp_path: Path, read: Read) -> None:
    chance = random.Random(0)
    (tmp_path / "a.zzz").write_bytes(bytes(chance.randrange(1, 256) for _ in range(3000)))
    (tmp_path / "b.zzz").write_bytes(zlib.compress(PROSE.encode() * 9))
    (tmp_path / "c.zzz").write_bytes(b"words, then \0 something else")
    (tmp_path / "d").write_bytes(b"\x7fELF and more")
    (tmp_path / "e.vcf").write_text("BEGIN:VCARD")
    reason = "not a kind of file that is read"
    assert read() == [
        *(Unreadable(f"{name}.zzz", f".zzz: {reason}") for name in "abc"),
        Unreadable("d", reason), Unreadable("e.vcf", f".vcf: {reason}"),
    ]  # fmt: skip


def test_the_owners_word_for_the_encoding_makes_no_text_of_a_picture() -> None:
    assert is_text("łódź".encode("iso8859_2"), "iso8859_2")
    assert not is_text(b"\x89PNG\r\n\x1a\n" + b"x" * 99, "utf-16")
    assert not is_text(b"words, then \0 something else", "cp1252")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("id_ed25519", "x"), ("site.pem", "x"), ("prod.env", "PASSWORD=x"), ("mine.kdbx", "x"),
        ("Passwords.txt", "bank: x"), ("aws/credentials", "x"), ("cookies.txt", "# Netscape HTTP Cookie File\n"),
        ("backup", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"),
        ("a.old", "ssh-ed25519 AAAA ana@laptop"), ("mail.asc", "-----BEGIN PGP MESSAGE-----\nabc"),
    ],
)  # fmt: skip
def test_keys_and_passwords_are_left_out(tmp_path: Path, read: Read, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert read() == [Unreadable(name, "made for keys and passwords, left out")]


def test_what_only_sounds_like_a_secret_is_read() -> None:
    assert format_of("secrets.py") is Format.CODE
    assert format_of("secrets of the sea.txt") is Format.TEXT
    assert format_of("cookies.txt", b"Stir butter and sugar.") is Format.TEXT
    assert format_of("letter.asc", b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: x\n\nDear Ana,\n") is Format.TEXT


def test_what_programs_write_for_programs_is_left_out() -> None:
    squeezed = b"var a=1;" * 900
    for name, sample in (("poetry.lock", b""), ("package-lock.json", b""), ("x.min.js", b""), ("app.9f.js", squeezed)):
        assert format_of(name, sample) is Format.GENERATED
    assert format_of("app.js", squeezed.replace(b";", b";\n")) is Format.CODE
    assert needs_a_look("app.js")
    assert not needs_a_look("app.py")


def test_a_large_text_without_a_suffix_is_cut_and_a_large_key_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("Some words in a line.\n\n" * (3 * BLOCK // 23))
    (tmp_path / "keys.old").write_text("ssh-rsa AAAA\n" * (2 * BLOCK // 12))
    text, keys = (entry for entry in inventory(tmp_path) if isinstance(entry, Entry))
    parts = [*split(tmp_path, text)]
    assert len(parts) == 3
    whole = [*documents(tmp_path, Part(text))]
    assert [one for part in parts for one in documents(tmp_path, part)] == whole
    assert len([*split(tmp_path, keys)]) == 1
