"""One text, one expectation: what becomes a placeholder and what stays."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from node.data.document import Document, Kind
from node.data.privacy import Options, Privacy
from tests.node.data.privacy import formats

PRIVACY = Privacy(Options(words=("Anna Müller", "Musterweg 5", "address: Haus Sonne", "山田 太郎", "Łukasz")))
GERMAN = Privacy(Options(country="de"))


def blanked(text: str, privacy: Privacy = PRIVACY, kind: Kind = "prose") -> str:
    went = privacy(Document("a.txt", text, kind=kind), Counter())
    assert isinstance(went, Document)
    return went.text


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("write to anna+x@mail.example.co.uk.", "write to [EMAIL]."),
        ("From: Anna <anna@example.org>", "From: Anna <[EMAIL]>"),
        ("mail an anna@bücher.de oder a@xn--bcher-kva.example", "mail an [EMAIL] oder [EMAIL]"),
        ("メールはanna@example.jpまで", "メールは[EMAIL]まで"),
        ("anna (at) example (dot) org", "[EMAIL]"),
        ("anna at example dot org", "[EMAIL]"),
        ('"anna b"@example.org', "[EMAIL]"),
        ("mailto:anna%40example.org", "mailto:[EMAIL]"),
        ("scp anna@example.org: is not what she said", "scp [EMAIL]: is not what she said"),
        ("Call me at (415) 555-2671 tonight", "Call me at [PHONE] tonight"),
        ("+49 (0) 551 39-1234, +33 1 44 55 66 77", "[PHONE], [PHONE]"),
        ("Tel.: 0551 391234 ext. 12", "Tel.: [PHONE]"),
        ("ＴＥＬ：０３－５４８７－３０５１", "ＴＥＬ：[PHONE]"),
        ("https://wa.me/4915112345678", "https://wa.me/[PHONE]"),
        ("IBAN DE89 3704 0044 0532 0130 00 bitte", "IBAN [IBAN] bitte"),
        ("GB82WEST12345698765432", "[IBAN]"),
        ("nl91abna0417164300", "[IBAN]"),
        ("paid with 4111 1111 1111 1111 12/27", "paid with [CARD] 12/27"),
        ("3782-822463-10005", "[CARD]"),
        ("SSN 536-90-4399", "SSN [ID]"),
        ("Steuer-ID: 86 095 742 719", "Steuer-ID: [ID]"),
        ("NIR 2 55 08 14 168 025 38", "NIR [ID]"),
        ("DNI 12345678Z", "DNI [ID]"),
        ("codice fiscale RSSMRA85T10A562S", "codice fiscale [ID]"),
        ("AB 12 34 56 C", "[ID]"),
        ("PESEL 44051401359", "PESEL [ID]"),
        ("BSN: 111222333", "BSN: [ID]"),
        ("CPF 390.533.447-05", "CPF [ID]"),
        ("passport no. C01X00T47", "passport no. [ID]"),
        ("from 203.0.113.77 and fe80::1%eth0", "from [IP] and [IP]"),
        ("10.100.0.5-10.100.0.9", "[IP]-[IP]"),
        ("server 10.0.0.1", "server [IP]"),
        ("git: AKIAIOSFODNN7EXAMPL2", "git: [KEY]"),
        ("Authorization: Bearer abcDEF1234567890abc", "Authorization: Bearer [KEY]"),
        ("password = hunter2!", "password = [KEY]"),
        ("Das Passwort ist Sommer-24!", "Das Passwort ist [KEY]"),
        ("DB_PASSWORD=letmein\n", "DB_PASSWORD=[KEY]\n"),
        ("password = insertcoin99", "password = [KEY]"),
        ("password = pa$$word1", "password = [KEY]"),
        ("api_key: 'q8Zk20fLwq81Xy'", "api_key: '[KEY]'"),
        ("https://anna:sesame1@example.org/x", "https://[KEY]@example.org/x"),
        ("https://example.org/?a=1&token=q8Zk20fLwq", "https://example.org/?a=1&token=[KEY]"),
        ("ANNA MULLER, Anna-Mueller, anna_müller", "[NAME], [NAME], [NAME]"),
        ("Anna wohnt im musterweg 5 (haus sonne)", "Anna wohnt im [ADDRESS] ([ADDRESS])"),
        ("山田太郎さんとlukaszさん", "[NAME]さんと[NAME]さん"),
    ],
)
def test_private_data_becomes_its_placeholder(text: str, becomes: str) -> None:
    assert blanked(text) == becomes


@pytest.mark.parametrize(
    "text",
    [
        "@property\ndef size(self): ...",
        "git clone git@github.com:them/it.git",
        "systemctl status getty@tty1.service, icon@2x.png, left-pad@1.3.0",
        "user@host:~$ ls; x = a @ b.T",
        "version 1.2.3.4, v8.9.10.200, section 1.2.3.4",
        "127.0.0.1, 0.0.0.0:80, ::1, 255.255.255.0, std::cout, face::bad",
        "at 12:30:45 on 2024-01-31T10:00:00Z or 31.01.2024, 01/31/24",
        "ISBN 978-3-16-148410-0, 9783161484100",
        "550e8400-e29b-41d4-a716-446655440000, 00:1a:2b:3c:4d:5e",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "4111 1111 1111 1112, DE88370400440532013000",
        "12,345,678.90 EUR, 123 456 789 €, $1234567.89",
        "3.14159265358979, 0.123456789012, 1e-10, 0x7fffffff, 2147483647",
        "password = getpass.getpass(), token = next(tokens), secret: str = None",
        "password: required; the password is stored in a file",
        'PASSWORD=${SECRET} password="<your password>" password=[KEY]',
        "https://user:password@example.org/",
        "Annabel Müllers Musterweg 55",
        "Boston, MA 02110-1301, USA",
        "PWD=/home/anna2, modes 0600 (0644 if you must)",
        "moved reset_password_mail to libldap-2.4-2.symbols",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert blanked(text) == text


def test_a_number_of_the_owners_own_country_needs_no_word() -> None:
    assert blanked("um acht 0551 391234", GERMAN) == "um acht [PHONE]"
    assert blanked("86095742719", GERMAN) == "[ID]"
    assert blanked("86095742719") == "86095742719"


def test_in_a_program_only_surer_numbers_are_taken() -> None:
    assert blanked("x = '0551 391234'", GERMAN, "code") == "x = '0551 391234'"
    assert blanked("phone = '+49 551 391234'", GERMAN, "code") == "phone = '[PHONE]'"
    assert blanked("login(password=user.password2)", GERMAN, "code") == "login(password=user.password2)"


def test_a_private_key_goes_to_its_end_or_as_far_as_it_is_there() -> None:
    whole = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\nBBBB\n-----END RSA PRIVATE KEY-----"

    assert blanked(f"see {whole} there") == "see [KEY] there"
    assert blanked(whole.removesuffix("-----END RSA PRIVATE KEY-----") + "\nNo more of it.") == "[KEY]No more of it."


def test_every_kind_of_key_is_known() -> None:
    assert {blanked(formats.token(Random(seed))) for seed in range(200)} == {"[KEY]"}
