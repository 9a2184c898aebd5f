"""Numbers, addresses and keys made from their formats' definitions: nothing here knows how they are recognised."""

from __future__ import annotations

import string
from random import Random

DIGITS = string.digits
UPPER = string.ascii_uppercase
LOWER = string.ascii_lowercase
ALNUM = string.ascii_letters + DIGITS
FIRST = (
    *("anna", "ben", "carla", "david", "elena", "felix", "greta"),
    *("hugo", "ines", "jonas", "kira", "lukas", "haruto", "yuki"),
)
LAST = (
    *("berger", "costa", "dubois", "evans", "ferrer", "gruber", "ito"),
    *("jansen", "kowalski", "moreau", "novak", "schulz", "tanaka"),
)


def some(chance: Random, letters: str, count: int) -> str:
    return "".join(chance.choice(letters) for _ in range(count))


def grouped(number: str, *lengths: int, by: str = " ") -> str:
    parts, at = [], 0
    for length in lengths:
        parts.append(number[at : at + length])
        at += length
    assert at == len(number), (number, lengths)
    return by.join(parts)


# --- e-mail ---------------------------------------------------------------------------------------------------------


def email(chance: Random) -> str:
    first, last = chance.choice(FIRST), chance.choice(LAST)
    local = chance.choice(
        (
            f"{first}.{last}",
            f"{first}_{last}{chance.randrange(100)}",
            f"{first[0]}{last}",
            f"{first}-{last}",
            f"{first}+{chance.choice(('news', 'shop', 'x1'))}",
            f"{first.title()}.{last.title()}",
            f"{last}{chance.randrange(1950, 2010)}",
        )
    )
    host = chance.choice(
        (
            "example.org",
            "mail.example.co.uk",
            "gmx.de",
            "uni-goettingen.de",
            "laposte.net",
            "correo.es",
            "poczta.pl",
            "docomo.ne.jp",
            "bücher-stube.de",
            "xn--bcher-kva.example",
            "firma-müller.de",
            "my-company.io",
            "dept.cs.school.edu",
        )
    )
    return f"{local}@{host}"


def email_spelt(chance: Random) -> str:
    name, host, top = chance.choice(FIRST), chance.choice(LAST), chance.choice(("org", "com", "de", "fr", "es", "pl"))
    return chance.choice(
        (
            f"{name} (at) {host} (dot) {top}",
            f"{name}[at]{host}[dot]{top}",
            f"{name} [at] {host}.{top}",
            f"{name}(at){host}.{top}",
            f"{name} at {host} dot {top}",
        )
    )


# --- phones: numbering plans of the countries -----------------------------------------------------------------------


def phone(chance: Random, language: str) -> str:
    """National or international, as people of the language write them."""
    return {"en": _phone_en, "de": _phone_de, "fr": _phone_fr, "es": _phone_es, "pl": _phone_pl, "ja": _phone_ja}[
        language
    ](chance)


def _phone_en(chance: Random) -> str:
    if chance.random() < 0.3:  # British: 020 and eight digits, 07 and nine
        london, mobile = "7" + some(chance, DIGITS, 7), "7" + chance.choice("4578") + some(chance, "123456789", 8)
        return chance.choice(
            (
                f"020 {london[:4]} {london[4:]}",
                f"+44 20 {london[:4]} {london[4:]}",
                f"+44 {mobile[:4]} {mobile[4:]}",
                f"0{mobile[:4]} {mobile[4:]}",
            )
        )
    area = chance.choice(("212", "415", "503", "617", "312", "206", "718", "650", "303", "404"))
    exchange = chance.choice("23456789") + chance.choice("023456789") + chance.choice("0123456789")
    line = some(chance, DIGITS, 4)
    return chance.choice(
        (
            f"({area}) {exchange}-{line}",
            f"{area}-{exchange}-{line}",
            f"{area}.{exchange}.{line}",
            f"+1 {area} {exchange} {line}",
            f"+1-{area}-{exchange}-{line}",
            f"1-{area}-{exchange}-{line}",
            f"+1 ({area}) {exchange}-{line}",
            f"+1{area}{exchange}{line}",
        )
    )


def _phone_de(chance: Random) -> str:
    if chance.random() < 0.5:
        area, rest = chance.choice(("170", "171", "160", "175", "176", "151")), some(chance, "123456789", 7)
        if area in ("176", "151"):
            rest += chance.choice("123456789")
    else:
        area, length = chance.choice((("30", 8), ("40", 7), ("89", 8), ("551", 6), ("221", 7)))
        rest = chance.choice("23456789") + some(chance, "123456789", length - 1)
    return chance.choice(
        (
            f"0{area} {rest}",
            f"0{area}/{rest}",
            f"0{area}-{rest}",
            f"(0{area}) {rest}",
            f"+49 {area} {rest}",
            f"+49 (0){area} {rest}",
            f"0049 {area} {rest}",
            f"+49{area}{rest}",
            f"0{area} / {rest[:3]} {rest[3:]}",
            f"+49-{area}-{rest}",
        )
    )


def _phone_fr(chance: Random) -> str:
    rest = chance.choice("1234567") + some(chance, DIGITS, 8)
    rest = (
        chance.choice("67") + chance.choice("34567") + rest[2:]
        if chance.random() < 0.5
        else "1" + chance.choice("4") + rest[2:]
    )
    pairs = [rest[0], *(rest[at : at + 2] for at in range(1, 9, 2))]
    return chance.choice(
        (
            "0" + " ".join(pairs),
            "0" + ".".join(pairs),
            "0" + "-".join(pairs),
            "+33 " + " ".join(pairs),
            "+33 (0)" + " ".join(pairs),
            "0" + rest,
            "+33" + rest,
            "0033 " + " ".join(pairs),
        )
    )


def _phone_es(chance: Random) -> str:
    number = (
        chance.choice("67") + chance.choice("1234") + some(chance, DIGITS, 7)
        if chance.random() < 0.6
        else "91" + chance.choice("2345678") + some(chance, DIGITS, 6)
    )
    return chance.choice(
        (
            grouped(number, 3, 3, 3),
            grouped(number, 3, 2, 2, 2),
            f"+34 {grouped(number, 3, 3, 3)}",
            f"+34{number}",
            f"0034 {grouped(number, 3, 2, 2, 2)}",
            grouped(number, 3, 2, 2, 2, by="-"),
        )
    )


def _phone_pl(chance: Random) -> str:
    if chance.random() < 0.6:
        number = chance.choice(("501", "602", "608", "692", "725", "790")) + some(chance, DIGITS, 6)
        return chance.choice(
            (
                grouped(number, 3, 3, 3),
                grouped(number, 3, 3, 3, by="-"),
                f"+48 {grouped(number, 3, 3, 3)}",
                f"+48{number}",
            )
        )
    number = chance.choice(("22", "12", "61")) + chance.choice("2345678") + some(chance, DIGITS, 6)
    return chance.choice(
        (f"+48 {grouped(number, 2, 3, 2, 2)}", grouped(number, 2, 3, 2, 2), f"0048 {grouped(number, 2, 3, 2, 2)}")
    )


def _phone_ja(chance: Random) -> str:
    if chance.random() < 0.5:
        number = chance.choice(("090", "080", "070")) + chance.choice("123456789") + some(chance, DIGITS, 7)
        number = number[:3] + chance.choice("123456789") + number[4:]
        written = chance.choice(
            (
                grouped(number, 3, 4, 4, by="-"),
                f"+81 {number[1:3]}-{number[3:7]}-{number[7:]}",
                number,
                grouped(number, 3, 4, 4),
            )
        )
    else:
        rest = chance.choice("356") + some(chance, DIGITS, 7)
        written = chance.choice(
            (
                f"03-{rest[:4]}-{rest[4:]}",
                f"(03) {rest[:4]}-{rest[4:]}",
                f"+81-3-{rest[:4]}-{rest[4:]}",
                f"03({rest[:4]}){rest[4:]}",
            )
        )
    return _full_width(written) if chance.random() < 0.15 else written


def _full_width(written: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in written)


# --- banks ----------------------------------------------------------------------------------------------------------


def iban(chance: Random) -> str:
    country = chance.choice(("DE", "AT", "CH", "NL", "GB", "FR", "ES", "PL", "IT", "BE"))
    bban = {
        "DE": lambda: some(chance, DIGITS, 18),
        "AT": lambda: some(chance, DIGITS, 16),
        "CH": lambda: some(chance, DIGITS, 17),
        "NL": lambda: chance.choice(("ABNA", "INGB", "RABO")) + some(chance, DIGITS, 10),
        "GB": lambda: chance.choice(("NWBK", "BARC", "HBUK")) + some(chance, DIGITS, 14),
        "FR": lambda: _rib(chance),
        "ES": lambda: _ccc(chance),
        "PL": lambda: some(chance, DIGITS, 24),
        "IT": lambda: _cin(chance),
        "BE": lambda: _belgian(chance),
    }[country]()
    number = _with_check(country, bban)
    written = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return chance.choice((written, number, written.replace(" ", "-") if chance.random() < 0.3 else written))


def _with_check(country: str, bban: str) -> str:
    """ISO 13616: 98 minus the rest of the division by 97, letters as 10 to 35."""
    value = int("".join(str(UPPER.index(c) + 10) if c.isalpha() else c for c in bban + country + "00"))
    return f"{country}{98 - value % 97:02}{bban}"


def _rib(chance: Random) -> str:
    bank, branch, account = some(chance, DIGITS, 5), some(chance, DIGITS, 5), some(chance, DIGITS, 11)
    return bank + branch + account + f"{97 - (89 * int(bank) + 15 * int(branch) + 3 * int(account)) % 97:02}"


def _ccc(chance: Random) -> str:
    bank, account = some(chance, DIGITS, 8), some(chance, DIGITS, 10)
    weights = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)

    def digit(row: str) -> str:
        rest = 11 - sum(int(d) * w for d, w in zip(row, weights, strict=True)) % 11
        return {10: "1", 11: "0"}.get(rest, str(rest))

    return bank + digit("00" + bank) + digit(account) + account


_ODD = dict(
    zip(
        DIGITS + UPPER,
        [
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ],
        strict=True,
    )
)
_EVEN = dict(zip(DIGITS + UPPER, [*range(10), *range(26)], strict=True))


def _italian_letter(row: str) -> str:
    return UPPER[sum((_ODD if at % 2 == 0 else _EVEN)[letter] for at, letter in enumerate(row)) % 26]


def _cin(chance: Random) -> str:
    row = some(chance, DIGITS, 22)
    return _italian_letter(row) + row


def _belgian(chance: Random) -> str:
    row = some(chance, DIGITS, 10)
    return row + f"{int(row) % 97 or 97:02}"


def luhn_digit(row: str) -> str:
    total = sum(sum(divmod(int(d) * (2 if at % 2 == 0 else 1), 10)) for at, d in enumerate(reversed(row)))
    return str(-total % 10)


def card(chance: Random) -> str:
    prefix, length = chance.choice(
        (("4", 16), ("4539", 16), ("51", 16), ("55", 16), ("2223", 16), ("34", 15), ("37", 15), ("6011", 16))
    )
    row = prefix + some(chance, DIGITS, length - len(prefix) - 1)
    number = row + luhn_digit(row)
    lengths = (4, 6, 5) if length == 15 else (4, 4, 4, 4)
    return chance.choice((number, grouped(number, *lengths), grouped(number, *lengths, by="-")))


# --- national ids: (what people call it, the number) ----------------------------------------------------------------


def _birthday(chance: Random) -> tuple[int, int, int]:
    return chance.randrange(1945, 2000), chance.randrange(1, 13), chance.randrange(1, 29)


def ssn(chance: Random) -> str:
    area = chance.choice((chance.randrange(1, 666), chance.randrange(667, 900)))
    return f"{area:03}-{chance.randrange(1, 100):02}-{chance.randrange(1, 10000):04}"


def nino(chance: Random) -> str:
    number = chance.choice(("AB", "CE", "JK", "LP", "SY", "WX", "HR")) + some(chance, DIGITS, 6) + chance.choice("ABCD")
    return chance.choice((number, grouped(number, 2, 2, 2, 2, 1)))


def nhs(chance: Random) -> str:
    while True:
        row = some(chance, DIGITS, 9)
        check = 11 - sum(int(d) * (10 - at) for at, d in enumerate(row)) % 11
        if check != 10:
            return grouped(row + str(check % 11), 3, 3, 4)


def sin(chance: Random) -> str:
    row = chance.choice("1245679") + some(chance, DIGITS, 7)
    return grouped(row + luhn_digit(row), 3, 3, 3, by=chance.choice(" -"))


def steuer_id(chance: Random) -> str:
    """Ten digits of which one is there twice, one not at all; ISO 7064 mod 11, 10."""
    while True:
        digits = chance.sample(DIGITS, 9)
        digits.insert(chance.randrange(1, 10), chance.choice(digits))
        if digits[0] != "0":
            break
    product = 10
    for digit in digits:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    number = "".join(digits) + str((11 - product) % 10)
    return chance.choice((number, grouped(number, 2, 3, 3, 3)))


def ahv(chance: Random) -> str:
    row = "756" + some(chance, DIGITS, 9)
    check = -sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(row)) % 10
    return grouped(row + str(check), 3, 4, 4, 2, by=".")


def nir(chance: Random) -> str:
    year, month, _ = _birthday(chance)
    row = f"{chance.choice('12')}{year % 100:02}{month:02}{chance.randrange(1, 96):02}"
    row += f"{chance.randrange(1, 990):03}{chance.randrange(1, 1000):03}"
    number = row + f"{97 - int(row) % 97:02}"
    return chance.choice((number, grouped(number, 1, 2, 2, 2, 3, 3, 2)))


def belgian_id(chance: Random) -> str:
    year, month, day = _birthday(chance)
    row = f"{year % 100:02}{month:02}{day:02}{chance.randrange(1, 998):03}"
    number = row + f"{97 - int(row) % 97:02}"
    return f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:9]}.{number[9:]}"


_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def dni(chance: Random) -> str:
    number = some(chance, DIGITS, 8)
    return number + chance.choice(("", "-")) + _DNI_LETTERS[int(number) % 23]


def nie(chance: Random) -> str:
    first, number = chance.choice("XYZ"), some(chance, DIGITS, 7)
    letter = _DNI_LETTERS[int(str("XYZ".index(first)) + number) % 23]
    return chance.choice((f"{first}{number}{letter}", f"{first}-{number}-{letter}"))


def rut(chance: Random) -> str:
    row = f"{chance.randrange(5_000_000, 25_000_000):08}"
    total = sum(int(d) * w for d, w in zip(reversed(row), (2, 3, 4, 5, 6, 7, 2, 3), strict=True))
    check = {10: "K", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
    return f"{int(row):,}".replace(",", ".") + "-" + check


def codice_fiscale(chance: Random) -> str:
    consonants = "BCDFGLMNPRSTVZ"
    year, _, day = _birthday(chance)
    row = (
        some(chance, consonants, 6)
        + f"{year % 100:02}"
        + chance.choice("ABCDEHLMPRST")
        + f"{day + chance.choice((0, 40)):02}"
    )
    row += chance.choice(("H501", "F205", "L219", "A662"))
    return row + _italian_letter(row)


def pesel(chance: Random) -> str:
    year, month, day = _birthday(chance)
    row = f"{year % 100:02}{month:02}{day:02}" + some(chance, DIGITS, 4)
    return row + str(-sum(int(d) * w for d, w in zip(row, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)) % 10)


def nip(chance: Random) -> str:
    while True:
        row = chance.choice("123456789") * 1 + some(chance, "123456789", 8)
        check = sum(int(d) * w for d, w in zip(row, (6, 5, 7, 2, 3, 4, 5, 6, 7), strict=True)) % 11
        if check != 10:
            return chance.choice((row + str(check), grouped(row + str(check), 3, 3, 2, 2, by="-")))


def bsn(chance: Random) -> str:
    while True:
        row = some(chance, "123456789", 8)
        check = sum(int(d) * (9 - at) for at, d in enumerate(row)) % 11
        if check != 10:
            return row + str(check)


def cpf(chance: Random) -> str:
    row = some(chance, "123456789", 9)
    for _ in range(2):
        total = sum(int(d) * (len(row) + 1 - at) for at, d in enumerate(row))
        row += str(total * 10 % 11 % 10)
    return chance.choice((row, f"{row[:3]}.{row[3:6]}.{row[6:9]}-{row[9:]}"))


def personnummer(chance: Random) -> str:
    year, month, day = _birthday(chance)
    row = f"{year % 100:02}{month:02}{day:02}" + some(chance, DIGITS, 3)
    return chance.choice((f"{row[:6]}-{row[6:]}{luhn_digit(row)}", f"19{row[:6]}-{row[6:]}{luhn_digit(row)}"))


def hetu(chance: Random) -> str:
    year, month, day = _birthday(chance)
    row = f"{day:02}{month:02}{year % 100:02}{chance.randrange(2, 900):03}"
    return f"{row[:6]}-{row[6:]}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(row) % 31]}"


def my_number(chance: Random) -> str:
    row = some(chance, DIGITS, 11)
    rest = sum(int(d) * w for d, w in zip(row, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
    number = row + str(0 if rest <= 1 else 11 - rest)
    return chance.choice((number, grouped(number, 4, 4, 4)))


def passport(chance: Random) -> str:
    return chance.choice(
        (
            some(chance, UPPER, 2) + some(chance, DIGITS, 7),
            "C01X" + some(chance, DIGITS, 5) if chance.random() < 0 else some(chance, DIGITS, 9),
            some(chance, DIGITS, 2) + some(chance, UPPER, 2) + some(chance, DIGITS, 5),
        )
    )


# --- hosts and keys -------------------------------------------------------------------------------------------------


def ipv4(chance: Random) -> str:
    first = chance.choice((*range(31, 127), *range(128, 224)))
    return f"{first}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def ipv6(chance: Random) -> str:
    def part() -> str:
        return f"{chance.randrange(1, 65536):x}"

    return chance.choice(
        (
            f"2001:db8:{part()}:{part()}::{part()}",
            "2a02:" + ":".join(part() for _ in range(7)),
            f"fe80::{part()}:{part()}:{part()}",
            f"2003:{part()}::1",
        )
    )


def _base64url(chance: Random, count: int) -> str:
    return some(chance, ALNUM + "-_", count)


def token(chance: Random) -> str:
    """What shows by itself that it is a key."""
    return chance.choice(
        (
            "AKIA" + some(chance, UPPER + "234567", 16),
            "ghp_" + some(chance, ALNUM, 36),
            "github_pat_" + some(chance, ALNUM, 22) + "_" + some(chance, ALNUM, 59),
            "glpat-" + some(chance, ALNUM, 20),
            f"xoxb-{some(chance, DIGITS, 12)}-{some(chance, DIGITS, 12)}-{some(chance, ALNUM, 24)}",
            "sk_live_" + some(chance, ALNUM, 24),
            "AIza" + _base64url(chance, 35),
            "sk-proj-A1" + _base64url(chance, 60) + "z",
            "hf_" + some(chance, string.ascii_letters, 34),
            "npm_" + some(chance, ALNUM, 36),
            "eyJhbGciOiJIUzI1NiJ9.eyJ" + _base64url(chance, 60) + "." + _base64url(chance, 43),
        )
    )


def private_key(chance: Random) -> str:
    name = chance.choice(("RSA ", "EC ", "OPENSSH ", ""))
    body = "\n".join(some(chance, ALNUM + "+/", 64) for _ in range(chance.randrange(3, 12)))
    return f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n{some(chance, ALNUM, 30)}==\n-----END {name}PRIVATE KEY-----"


def password(chance: Random) -> str:
    word = chance.choice(("sommer", "dragon", "Soleil", "kotek", "Tigre", "hunter", "Sakura", "blueberry"))
    return chance.choice(
        (
            f"{word}{chance.randrange(10, 9999)}",
            f"{word.title()}-{chance.randrange(10, 99)}!",
            some(chance, ALNUM, 8) + str(chance.randrange(10)) + "x",
            f"{word}#{chance.randrange(10, 99)}",
        )
    )


# --- look alike and are none ----------------------------------------------------------------------------------------


def isbn(chance: Random) -> str:
    row = "978" + chance.choice("0123") + some(chance, DIGITS, 8)
    number = row + str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(row)) % 10)
    return chance.choice((number, grouped(number, 3, 1, 4, 4, 1, by="-")))


def no_card(chance: Random) -> str:
    row = "4" + some(chance, DIGITS, 14)
    return grouped(
        row + str((int(luhn_digit(row)) + chance.randrange(1, 10)) % 10), 4, 4, 4, 4, by=chance.choice((" ", "-", ""))
    )


def no_iban(chance: Random) -> str:
    row = some(chance, DIGITS, 18)
    check = int(_with_check("DE", row)[2:4])
    return f"DE{(check + chance.randrange(1, 50)) % 97:02}{row}"


def uuid(chance: Random) -> str:
    return grouped(some(chance, "0123456789abcdef", 32), 8, 4, 4, 4, 12, by="-")


def mac(chance: Random) -> str:
    return grouped(some(chance, "0123456789abcdef", 12), 2, 2, 2, 2, 2, 2, by=":")


def sha(chance: Random) -> str:
    return some(chance, "0123456789abcdef", chance.choice((40, 64, 12)))


def date(chance: Random) -> str:
    year, month, day = _birthday(chance)
    year += 30
    return chance.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{day:02}.{month:02}.{year}",
            f"{month:02}/{day:02}/{year}",
            f"{year}-{month:02}-{day:02}T10:{day:02}:{month:02}Z",
            f"{year}/{month:02}/{day:02} 08:{day:02}",
        )
    )


def version(chance: Random) -> str:
    return f"v{chance.randrange(1, 20)}.{chance.randrange(30)}.{chance.randrange(200)}.{chance.randrange(1, 20)}"


def price(chance: Random) -> str:
    amount = chance.randrange(1_000_000, 900_000_000)
    return chance.choice(
        (
            f"{amount:,} USD",
            f"{amount:,}".replace(",", ".") + " €",
            f"{amount:,}".replace(",", " ") + " €",
            f"${amount / 100:,.2f}",
        )
    )


def constant(chance: Random) -> str:
    return chance.choice(
        (
            f"0x{some(chance, '0123456789abcdef', 8)}",
            f"{chance.random():.12f}",
            f"{chance.randrange(10**9, 10**10)}",
            f"1.{some(chance, DIGITS, 8)}e-{chance.randrange(5, 30)}",
        )
    )
