"""A labelled set: documents in six languages, every kind of private data in sentences, and what only looks like it.

Made from the formats' definitions with a fixed seed. `score` compares findings with the labels by place and kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from node.data.document import Document
from node.data.privacy.kinds import Hit, Kind
from tests.node.data.privacy import formats, sentences

NAMES = (
    "Łucja Wiśniewska",
    "José Ángel Muñoz",
    "Günther Groß",
    "Élodie Lefèvre",
    "Margaret O'Neill",
    "佐藤 美咲",
    "鈴木一郎",
    "Bubi",
)
ADDRESSES = (
    "Mühlenweg 17b",
    "12 rue des Érables",
    "Calle del Olmo 8",
    "ul. Różana 5/3",
    "44 Elm Street",
    "東京都渋谷区神南1-2-3",
    "address: Haus Sonnenblick",
)
OWN_LIST = (*NAMES, *ADDRESSES)

_CALLED: dict[str, tuple[tuple[Callable[[Random], str], tuple[str, ...]], ...]] = {
    "en": (
        (formats.ssn, ("SSN", "Social Security number")),
        (formats.nino, ("National Insurance number", "NI number")),
        (formats.nhs, ("NHS number",)),
        (formats.sin, ("SIN", "social insurance number")),
        (formats.cpf, ("CPF",)),
        (formats.bsn, ("BSN",)),
        (formats.passport, ("passport number",)),
        (formats.codice_fiscale, ("codice fiscale",)),
        (formats.hetu, ("HETU",)),
        (formats.personnummer, ("personnummer",)),
    ),
    "de": (
        (formats.steuer_id, ("Steuer-ID", "Steueridentifikationsnummer", "IdNr.")),
        (formats.ahv, ("AHV-Nummer",)),
        (formats.passport, ("Reisepassnummer",)),
        (formats.codice_fiscale, ("italienische Steuernummer",)),
    ),
    "fr": (
        (formats.nir, ("numéro de sécurité sociale", "numéro de sécu", "NIR")),
        (formats.belgian_id, ("numéro de registre national",)),
        (formats.ahv, ("numéro AVS",)),
        (formats.passport, ("numéro de passeport",)),
    ),
    "es": (
        (formats.dni, ("DNI", "documento")),
        (formats.nie, ("NIE",)),
        (formats.rut, ("RUT",)),
        (formats.passport, ("pasaporte",)),
    ),
    "pl": (
        (formats.pesel, ("PESEL", "numer PESEL")),
        (formats.nip, ("NIP",)),
        (formats.passport, ("numer paszportu",)),
    ),
    "ja": ((formats.my_number, ("マイナンバー", "個人番号")), (formats.passport, ("パスポート番号", "旅券番号"))),
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A document and where its private data is: in its text, or in each of its messages."""

    document: Document
    language: str
    labels: tuple[tuple[Hit, ...], ...]


@dataclass(slots=True)
class _Page:
    """A text under construction."""

    text: str = ""
    labels: list[Hit] = field(default_factory=list)

    def add(self, sentence: str, *values: str, kind: Kind | None = None) -> None:
        """The last of the values is what is private."""
        start = len(self.text)
        value = values[-1] if values else ""
        if values:
            gap = "{1}" if len(values) > 1 else "{}"
            before, after = sentence.replace("{0}", values[0]).split(gap)
            start += len(before)
            sentence = before + value + after
        self.text += sentence
        if kind is not None:
            self.labels.append(Hit(start, start + len(value), kind))


def labelled(documents: int, seed: int) -> list[Labelled]:
    """As many documents, the languages in turn."""
    return [_document(number, seed) for number in range(documents)]


def _document(number: int, seed: int) -> Labelled:
    chance = Random(f"{seed} {number}")
    language = sentences.LANGUAGES[number % len(sentences.LANGUAGES)]
    page = _Page()
    page.add(chance.choice(sentences.FILLERS[language]))
    for _ in range(chance.randrange(4, 10)):
        page.add(chance.choice((" ", "\n", "\n\n")))
        _sentence(chance, page, language)
    return Labelled(Document(f"{number}.txt", page.text), language, (tuple(page.labels),))


def _sentence(chance: Random, page: _Page, language: str) -> None:
    roll = chance.random()
    if roll < 0.15:
        page.add(chance.choice(sentences.FILLERS[language]))
    elif roll < 0.4:
        _negative(chance, page, language)
    else:
        _positive(chance, page, language, chance.choice(list(Kind)))


def _negative(chance: Random, page: _Page, language: str) -> None:
    if chance.random() < 0.25:
        page.add("\n" + chance.choice(sentences.CODE) + "\n")
        return
    makers: dict[str, Sequence[Callable[[Random], str]]] = {
        "isbn": (formats.isbn,),
        "order": (formats.no_card, formats.no_iban),
        "date": (formats.date,),
        "version": (formats.version,),
        "price": (formats.price,),
        "hash": (formats.sha,),
        "uuid": (formats.uuid, formats.mac),
        "constant": (formats.constant,),
    }
    name = chance.choice(list(makers))
    page.add(sentences.NONE[name][language].replace("{}", chance.choice(makers[name])(chance)))


def _positive(chance: Random, page: _Page, language: str, kind: Kind) -> None:
    def said(table: Mapping[str, Sequence[str]], value: str) -> None:
        page.add(chance.choice(table[language]), value, kind=kind)

    match kind:
        case Kind.EMAIL:
            said(sentences.EMAIL, formats.email_spelt(chance) if chance.random() < 0.15 else formats.email(chance))
        case Kind.PHONE:
            said(sentences.PHONE, formats.phone(chance, language))
        case Kind.IBAN:
            said(sentences.IBAN, formats.iban(chance))
        case Kind.CARD:
            said(sentences.CARD, formats.card(chance))
        case Kind.ID:
            make, called = chance.choice(_CALLED[language])
            page.add(chance.choice(sentences.ID[language]), chance.choice(called), make(chance), kind=kind)
        case Kind.IP:
            said(sentences.IP, formats.ipv6(chance) if chance.random() < 0.35 else formats.ipv4(chance))
        case Kind.KEY:
            _key(chance, page, language)
        case Kind.NAME:
            said(sentences.NAME, _dressed(chance, chance.choice(NAMES)))
        case Kind.ADDRESS:
            said(sentences.ADDRESS, _dressed(chance, chance.choice(ADDRESSES).removeprefix("address: ")))


def _key(chance: Random, page: _Page, language: str) -> None:
    roll = chance.random()
    if roll < 0.4:
        page.add(chance.choice(sentences.TOKEN[language]), formats.token(chance), kind=Kind.KEY)
    elif roll < 0.75:
        page.add(chance.choice(sentences.PASSWORD[language]), formats.password(chance), kind=Kind.KEY)
    elif roll < 0.85:
        page.add("\n{}\n", formats.private_key(chance), kind=Kind.KEY)
    elif roll < 0.93:
        page.add(
            "https://{}@example.org/inbox", f"{chance.choice(formats.FIRST)}:{formats.password(chance)}", kind=Kind.KEY
        )
    else:
        page.add(
            "https://api.example.org/v2/items?page=2&access_token={}",
            formats.some(chance, formats.ALNUM, 31) + "7",
            kind=Kind.KEY,
        )


def _dressed(chance: Random, words: str) -> str:
    """In another case, or without its accents, as people type."""
    bare = str.maketrans("áéèößñÁÉŁłśóżü", "aeeosnAELlsozu")
    return chance.choice(
        (words, words, words.upper(), words.lower(), words.translate(bare) if "ß" not in words else words)
    )


# --- the score ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """Found of what is there, and right of what was found, per kind."""

    there: Counter[str]
    found: Counter[str]
    said: Counter[str]
    right: Counter[str]
    missed: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def recall(self) -> float:
        return self.found.total() / self.there.total()

    @property
    def precision(self) -> float:
        return self.right.total() / max(1, self.said.total())

    def worst(self, of: str) -> tuple[float, str]:
        parts, wholes = (self.found, self.there) if of == "recall" else (self.right, self.said)
        return min((parts[kind] / whole, kind) for kind, whole in wholes.items())


def score(pairs: Iterable[tuple[Labelled, Sequence[Sequence[Hit]]]]) -> Score:
    """Found is a label that one of its kind covers nine tenths of; right is a finding of which half is such a label."""
    there, found, said, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    missed, wrong = [], []
    for page, findings in pairs:
        texts = (page.document.text, *(message.content for message in page.document.messages))
        for text, labels, hits in zip(texts, page.labels, findings, strict=False):
            for label in labels:
                there[f"{label.kind} {page.language}"] += 1
                if any(
                    hit.kind == label.kind and _shared(hit, label) >= 0.9 * (label.end - label.start) for hit in hits
                ):
                    found[f"{label.kind} {page.language}"] += 1
                else:
                    missed.append(f"{label.kind}: {text[max(0, label.start - 30) : label.end + 20]!r}")
            for hit in hits:
                said[f"{hit.kind} {page.language}"] += 1
                if any(
                    hit.kind == label.kind and _shared(hit, label) >= 0.5 * (hit.end - hit.start) for label in labels
                ):
                    right[f"{hit.kind} {page.language}"] += 1
                else:
                    wrong.append(
                        f"{hit.kind}: {text[hit.start : hit.end]!r} in {text[max(0, hit.start - 30) : hit.end + 20]!r}"
                    )
    return Score(there, found, said, right, tuple(missed), tuple(wrong))


def _shared(one: Hit, other: Hit) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))
