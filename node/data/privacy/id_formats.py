"""The forms of national ids and of payment cards: a table. 9 stands for a digit, A for a letter.

A form with a good checksum and an unusual look stands alone; a bare row of digits is an id only where a word says so,
or where the text or its owner is of that country and few random rows would pass (`rare`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from node.data.privacy.kinds import Kind

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Format:
    """One number of one country."""

    country: str  # ISO 3166, lower case; "" for none
    check: str  # module of python-stdnum, or a function below
    alone: str = ""  # shapes that need no word, apart by blanks; a blank within one is written _
    with_word: str = ""  # shapes that need one
    rare: bool = False  # one in fifty random rows passes at most: in its own country it needs no word
    words: str = ""  # an expression for what stands near it
    kind: Kind = Kind.ID

    @property
    def checked(self) -> bool:
        """Whether it has a check digit."""
        return self.check not in ("us.ssn", "us.itin", "passport", "argentine_dni", "british_nino")


# What says it of any of them, right before it.
SAID_TO_BE_ONE = re.compile(
    r"(?:\bid|ausweis|personal|identity|identification|identité|identidad|identyfikacyjny|tożsamości|tax|steuer|fiscale?"
    r"|podatkowy)"
    r"[- ]?(?:card|code|number|nummer|nr|no|n°|n[úu]mero|num[ée]ro|id)?\W{0,4}(?:is|ist|est|es|to)?\W{0,3}$",
    re.IGNORECASE,
)
_BIRTH_AND_MORE = "999999-9999 999999+9999"

FORMATS = (
    Format("us", "us.ssn", "999-99-9999", "999999999 999_99_9999", words=r"\bssn|social security|social sec"),
    Format("us", "us.itin", "", "999-99-9999 999999999 999_99_9999", words=r"\bitin|taxpayer"),
    Format(
        "ca",
        "ca.sin",
        "",
        "999-999-999 999_999_999 999999999",
        words=r"\bsin\b|social insurance|assurance sociale|\bnas\b",
    ),
    Format(
        "de",
        "de.idnr",
        "99_999_999_999",
        "99999999999 99_999999999 999_9999_9999",
        True,
        r"steuer-?\s?id|steueridentifikation|identifikationsnummer|\bidnr|\bid-nr|\btin\b",
    ),
    Format("de", "german_insurance", "99_999999_A_999 99999999A999", "", words="rentenversicherung|sozialversicherung"),
    Format(
        "at", "at.vnr", "", "9999_999999 9999999999", words=r"sozialversicherung|sv-?nr|svnr|versicherungsnummer|\bvnr"
    ),
    Format("ch", "ch.ssn", "999.9999.9999.99", "9999999999999", True, r"\bahv|\bavs\b|\bavsn|versichertennummer"),
    Format(
        "fr",
        "french_nir",
        "9_99_99_99_999_999_99 9_99_99_9A_999_999_99 9999999999999_99 999999A999999_99",
        "999999999999999 999999A99999999 9_99_99_99_999_999 9999999999999",
        True,
        r"\bnir\b|sécu|secu(?:rité)?\b|insee|nss|assuré",
    ),
    Format(
        "es",
        "es.dni",
        "99999999A 99999999-A 99.999.999-A 99.999.999A 99.999.999_A",
        "99999999_A",
        words=r"\bdni|\bnif\b|documento",
    ),
    Format("es", "es.nie", "A9999999A A-9999999-A A9999999-A", "A_9999999_A A-9999999A", words=r"\bnie\b|extranjer"),
    Format("it", "it.codicefiscale", "AAAAAA99A99A999A AAA_AAA_99A99_A999A", "", words="codice fiscale"),
    Format(
        "gb",
        "british_nino",
        "AA_99_99_99_A AA-99-99-99-A",
        "AA999999A AA_999999_A",
        words=r"national insurance|\bnino?\b|insurance n|\bni number",
    ),
    Format("gb", "gb.nhs", "", "999_999_9999 999-999-9999 9999999999", words=r"\bnhs\b"),
    Format("ie", "ie.pps", "", "9999999A 9999999AA 9999999_A 9999999_AA", words=r"\bpps"),
    Format("pl", "pl.pesel", "", "99999999999", True, "pesel"),
    Format("pl", "pl.nip", "", "999-999-99-99 9999999999 999-99-99-999", words=r"\bnip\b"),
    Format("pl", "polish_card", "", "AAA999999 AAA_999999", words="dow[oó]d"),
    Format("nl", "nl.bsn", "", "999999999 9999.99.999 999.999.999 9999_99_999", words=r"\bbsn|burgerservice|sofi"),
    Format(
        "be", "be.nn", "99.99.99-999.99", "99999999999", True, r"rijksregister|registre national|\bnrn|\binsz|\bniss"
    ),
    Format("pt", "pt.nif", "", "999999999 999_999_999", words=r"\bnif\b|contribuinte"),
    Format("br", "br.cpf", "999.999.999-99", "99999999999 999999999-99", True, r"\bcpf"),
    Format(
        "se",
        "se.personnummer",
        "99999999-9999",
        f"{_BIRTH_AND_MORE} 9999999999 999999999999",
        words="personnummer|pers(?:on)?nr",
    ),
    Format("no", "no.fodselsnummer", "", "999999_99999 99999999999", True, "fødsels|fnr|personnummer"),
    Format("dk", "dk.cpr", "", "999999-9999 9999999999", words=r"\bcpr"),
    Format("fi", "fi.hetu", "999999-999A 999999A999A 999999+999A", "999999-9999", words="hetu|henkilö"),
    Format("cz", "cz.rc", "", "999999/9999 999999/999 9999999999", words="rodné|rodne|rodným|r\\.\\s?č"),
    Format("ro", "ro.cnp", "", "9999999999999", True, r"\bcnp|numeric personal"),
    Format("bg", "bg.egn", "", "9999999999", words=r"\begn|егн"),
    Format("hr", "hr.oib", "", "99999999999", words=r"\boib"),
    Format("si", "si.emso", "", "9999999999999", True, r"\bem[sš]o"),
    Format("gr", "gr.amka", "", "99999999999", words=r"amka|αμκα"),
    Format("tr", "tr.tckimlik", "", "99999999999", True, r"kimlik|\bt\.?c\.?\b"),
    Format("ee", "ee.ik", "", "99999999999", words="isikukood"),
    Format("lt", "lt.asmens", "", "99999999999", words="asmens"),
    Format("ru", "ru.inn", "", "999999999999", words=r"\binn\b|инн"),
    Format("in", "in_.aadhaar", "", "9999_9999_9999 999999999999 9999-9999-9999", words="aadhaar|आधार|uidai"),
    Format("cn", "cn.ric", "99999999999999999A 999999999999999999", "", True, "身份证|resident id"),
    Format("jp", "jp.in_", "", "9999_9999_9999 9999-9999-9999 999999999999", words="マイナンバー|個人番号|my number"),
    Format("kr", "kr.rrn", "999999-9999999", "9999999999999", words="주민"),
    Format("au", "au.tfn", "", "999_999_999 999999999", words=r"\btfn|tax file"),
    Format("za", "za.idnr", "", "9999999999999 999999_9999_999 999999_9999_99_9", words="south africa|rsa id"),
    Format("il", "il.idnr", "", "999999999 99999999-9", words="תעודת|זהות|israel"),
    Format(
        "cl",
        "cl.rut",
        "99.999.999-9 99.999.999-A 9.999.999-9 9.999.999-A",
        "99999999-9 99999999-A",
        words=r"\brut\b|\brun\b",
    ),
    Format("ar", "ar.cuit", "", "99-99999999-9 99999999999", words=r"\bcui[tl]"),
    Format("ar", "argentine_dni", "", "99.999.999 99999999", words=r"\bdni\b"),
    Format("mx", "mx.curp", "AAAA999999AAAAAA99 AAAA999999AAAAAAA9", "", words="curp"),
    Format(
        "mx",
        "mx.rfc",
        "",
        "AAAA999999AAA AAAA999999AA9 AAAA999999A99 AAAA9999999A9 AAAA999999999",
        words=r"\brfc\b|contribuyente",
    ),
    Format(
        "",
        "passport",
        "",
        "A99999999 AA9999999 AA999999 999999999 99AA99999 A99A99A99 A9999999 AAA999999 AA9999999A A99999999A",
        words="passport|passeport|reisepass|pasaporte|paszport|passaporto|paspoort|passnummer|旅券|パスポート",
    ),
    Format(
        "",
        "card",
        "9999_9999_9999_9999 9999-9999-9999-9999 9999999999999999 9999_999999_99999 9999-999999-99999 999999999999999"
        " 9999_999999_9999 9999-999999-9999 99999999999999 "
        "9999_9999_9999_9999_999 9999999999999999999 9999.9999.9999.9999"
        " 9999__9999__9999__9999",
        "9999999999999 9999_999_999_999 999999999999 99999999999999999 999999999999999999",
        words=r"\bcard|karte|carte|tarjeta|\bkart[aąęy]|\bvisa\b|mastercard|maestro|amex|カード|クレジット|\bpan\b",
        kind=Kind.CARD,
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A format that a shape may be read as."""

    format: Format
    alone: bool
    word: re.Pattern[str]


@cache
def shapes() -> dict[str, list[Reading]]:
    """By shape: what it may be, in the table's order; what stands alone first."""
    table: dict[str, list[Reading]] = {}
    for form in FORMATS:
        word = re.compile(form.words, re.IGNORECASE)
        for written, alone in ((form.alone, True), (form.with_word, False)):
            for shape in written.split():
                table.setdefault(shape.replace("_", " "), []).append(Reading(form, alone, word))
    return table


@cache
def check(name: str) -> Check:
    """Whether a number keeps the rules of its format; the separators are still in it."""
    if "." not in name:
        own: Check = globals()[f"_{name}"]
        return own
    valid: Check = import_module(f"stdnum.{name}").is_valid
    return valid


def _card(number: str) -> bool:
    digits = re.sub("[^0-9]", "", number)
    if not _CARD_PREFIX.match(digits) or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


_CARD_PREFIX = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})$|5[1-5][0-9]{14}$|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)[0-9]+$(?<=^[0-9]{16})"
    r"|3[47][0-9]{13}$|3(?:0[0-5]|[689])[0-9]{11,16}$|(?:6011|64[4-9]|65|62|35[2-8]|81)[0-9]{10,17}$(?<=^[0-9]{16})"
    r"|(?:50|5[6-9]|6[0-9])[0-9]{10,17}$"
)  # Visa, Mastercard, American Express, Diners, Discover, UnionPay, JCB, Maestro


def _british_nino(number: str) -> bool:
    compact = re.sub("[ -]", "", number).upper()
    return bool(re.match(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PR-TW-Z][ABCEGHJ-NPR-TW-Z][0-9]{6}[A-D]$", compact))


def _french_nir(number: str) -> bool:
    """With its key; without one, the month and the sex must be possible."""
    compact = re.sub(r"[ .-]", "", number).upper()
    if not re.match(r"[1-478][0-9]{2}(?:0[1-9]|1[0-2]|[2-9][0-9])(?:[0-9]{2}|2[AB])[0-9]{6}", compact):
        return False
    return len(compact) == 13 or check("fr.nir")(compact)


def _german_insurance(number: str) -> bool:
    """Rentenversicherungsnummer: the birthday inside must be possible, and the check digit right."""
    compact = re.sub("[ -]", "", number).upper()
    if not re.match(r"[0-9]{2}(?:[0-6][0-9]|7[0-9]|8[0-1])[01][0-9][0-9]{2}[A-Z][0-9]{3}$", compact):
        return False
    digits = compact[:8] + f"{ord(compact[8]) - 64:02}" + compact[9:]
    weighted = (
        int(digit) * weight for digit, weight in zip(digits[:12], (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)
    )
    return sum(sum(divmod(product, 10)) for product in weighted) % 10 == int(digits[12])


def _polish_card(number: str) -> bool:
    compact = re.sub("[ -]", "", number).upper()
    values = [int(letter, 36) for letter in compact]
    weights = (7, 3, 1, 0, 7, 3, 1, 7, 3)
    return sum(v * w for v, w in zip(values, weights, strict=True)) % 10 == values[3]


def _argentine_dni(number: str) -> bool:
    return True  # no checksum: its word decides


def _passport(number: str) -> bool:
    return True  # no checksum that all countries share
