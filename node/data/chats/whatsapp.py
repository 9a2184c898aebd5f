"""WhatsApp's "export chat": a text file, whose lines look different on Android and iOS and in every country.

Which number is the day and which the month is decided from all dates of the file, so it is read twice. What WhatsApp
itself wrote (on iOS behind a left-to-right mark, on Android in the words of the phone's language) is left out; the
languages known are English, German, French, Spanish, Portuguese, Italian, Dutch, Polish and Turkish.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Literal

from node.data.chats.said import Said
from node.data.document import Counts

Order = Literal["year first", "day first", "month first"]
LONGEST = 1 << 20  # characters of one message; what is longer is cut there
_NAME = 80  # characters
_AFTERNOON = ("下午", "오후", "午後")
_DATE = r"(?P<a>\d{1,4})\s?(?P<between>[./-])\s?(?P<b>\d{1,2})\s?(?P=between)\s?(?P<c>\d{1,4})\.?"
_TIME = (
    r"(?:(?P<half>上午|下午|오전|오후|午前|午後)\s?)?(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d))?"
    r"(?:\s?(?P<m>[aApP])\.?\s?[mM]\.?)?"
)
_WHEN = rf"{_DATE},?\s(?:(?:à|às|klo|kl\.)\s)?{_TIME}"
_IOS = re.compile(rf"[\u200e\u200f\u202a-\u202c\ufeff]*\[{_WHEN}\]\s(?P<rest>.*)", re.DOTALL)
_ANDROID = re.compile(rf"[\u200e\u200f\u202a-\u202c\ufeff]*{_WHEN}\s[-–]\s(?P<rest>.*)", re.DOTALL)
_QUOTES = frozenset('"“”„«»\n')  # in no name, but in "Ana changed the subject to ..."


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that begins a message."""

    date: tuple[int, int, int]  # as they stand there
    time: tuple[int, int, int]
    rest: str
    american: bool  # written as in the United States, and as in some countries where the day comes first
    log: bool  # rather as other programs write their logs


def looks_like(head: str) -> bool:
    """Whether these first lines of a file are an export's."""
    lines = [line for line in head.split("\n")[:-1] or [head] if line.strip()][:20]
    begun = [line for line in map(_begun, lines) if line is not None]
    return bool(begun) and _begun(lines[0]) is not None and len(begun) * 4 >= len(lines) and not begun[0].log


def parse(file: BinaryIO, counts: Counts) -> Iterator[Said]:
    """Every message that a person wrote. `file` can be read from its beginning again."""
    order = day_or_month(file)
    file.seek(0)
    under_way: tuple[_Line, list[str]] | None = None
    length = 0
    for text in _lines(file):
        line = _begun(text)
        if line is not None:
            if under_way:
                yield from _said(*under_way, order, counts)
            under_way, length = (line, [line.rest]), 0
        elif under_way and length < LONGEST:
            under_way[1].append(text)
            length += len(text)
    if under_way:
        yield from _said(*under_way, order, counts)


def day_or_month(file: BinaryIO) -> Order:
    """What the numbers of this file's dates are: what no date contradicts; else what makes time run forward."""
    first = second = 0
    back = Counter[Order]()
    before: dict[Order, tuple[int, int, int]] = {}
    american = False
    for line in filter(None, map(_begun, _lines(file))):
        a, b, c = line.date
        if a > 31:
            return "year first"
        first, second, american = max(first, a), max(second, b), american or line.american
        days: dict[Order, tuple[int, int, int]] = {"day first": (c, b, a), "month first": (c, a, b)}
        back.update(order for order, day in days.items() if day < before.get(order, day))
        before = days
    if (first > 12) != (second > 12):
        return "day first" if first > 12 else "month first"
    if back["day first"] != back["month first"]:
        return "day first" if back["day first"] < back["month first"] else "month first"
    return "month first" if american else "day first"


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines without their ends, of at most LONGEST characters: a file without any is read in pieces."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="\n")
    try:
        while line := text.readline(LONGEST):
            yield line.rstrip("\r\n")
    finally:
        text.detach()


def _begun(text: str) -> _Line | None:
    """The line, where a message begins with it."""
    found = _IOS.match(text) or _ANDROID.match(text)
    if found is None:
        return None
    a, b, c, hour, minute = map(int, found.group("a", "b", "c", "hour", "minute"))
    seconds = int(found["second"] or 0)
    if found["half"] or found["m"]:
        hour = hour % 12 + 12 * (found["half"] in _AFTERNOON or (found["m"] or "").lower() == "p")
    if b > 31 or hour > 23 or minute > 59 or seconds > 59:
        return None
    american = found["between"] == "/" and found["m"] is not None
    log = a > 31 and found["between"] == "-" and found["second"] is not None and "," not in text[:16]
    return _Line((a, b, c), (hour, minute, seconds), found["rest"], american, log)


def _said(line: _Line, texts: list[str], order: Order, counts: Counts) -> Iterator[Said]:
    speaker, colon, beginning = line.rest.partition(": ")
    if not colon and line.rest.endswith(":"):
        speaker, colon, beginning = line.rest[:-1], ":", ""
    speaker = speaker.strip("\u200e\u200f\u202a\u202c\u2068\u2069 ").removeprefix("~").strip("\u202f\xa0 ")
    if not colon or not speaker or len(speaker) > _NAME or _QUOTES & set(speaker):
        counts["service message"] += 1
        return
    text, generated = _written("\n".join([beginning, *texts[1:]]))
    if text:
        yield Said("", speaker, text, _at(line, order))
    else:
        counts[generated] += 1


def _written(text: str) -> tuple[str, str]:
    """What a person wrote of it; and, where that is nothing, what it was."""
    if "\u200e" in text:
        text = re.sub(r"\u200e.*", "", text)  # on iOS: whatever WhatsApp adds
    text = text.rstrip()
    text = (_EDITED.sub("", text) if text.endswith(">") else text).strip("\u200f\u202a\u202c\ufeff ").strip()
    if not text:
        return "", "service message"
    first, _, more = text.partition("\n")
    if _ATTACHED.search(first):
        text = more.strip()  # the caption
    if not text or _MEDIA.fullmatch(text):
        return "", "message without words"
    return ("", "service message") if _GENERATED.fullmatch(text) else (text, "")


def _at(line: _Line, order: Order) -> float | None:
    a, b, c = line.date
    year, month, day = {"year first": (a, b, c), "day first": (c, b, a), "month first": (c, a, b)}[order]
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, *line.time, tzinfo=UTC).timestamp()
    except ValueError:
        return None


_EDITED = re.compile(
    r"\s*<(?:This message was edited|Diese Nachricht wurde bearbeitet|Ce message a été modifié|Se editó este mensaje"
    r"|(?:Esta )?[Mm]ensagem (?:foi )?editada|Questo messaggio è stato modificato|Dit bericht is bewerkt"
    r"|Ta wiadomość została edytowana|Bu mesaj düzenlendi)\.?>\s*$"
)
_ATTACHED = re.compile(
    r"\((?:file attached|Datei angehängt|fichier joint|archivo adjunto|arquivo anexado|ficheiro anexado|file allegato"
    r"|bestand bijgevoegd|plik załączony|dosya ekli)\)\s*$"
)
_MEDIA = re.compile(
    r"<[^<>\n]{1,60}>"  # <Media omitted>, <Medien ausgeschlossen>, <Médias omis> ...; <attached: 1.jpg>
    r"|(?:image|video|audio|sticker|GIF|document|Contact card|[\w. -]{1,80} document) omitted"
    r"|(?:Bild|Video|Audio|Sticker|GIF|Dokument|Kontaktkarte|Videonotiz) weggelassen"
    r"|(?:image|vidéo|audio|sticker|GIF|document|[Ff]iche contact) (?:absente?|omise?)"
    r"|(?:imagen|[Vv]ideo|audio|sticker|GIF|documento|[Tt]arjeta de contacto) omitid[oa]"
    r"|(?:imagem|vídeo|áudio|figurinha|GIF|documento|[Cc]artão do contato) (?:omitid[oa]|ocult[oa])"
    r"|(?:immagine|video|audio|sticker|GIF|documento|[Ss]cheda contatto) omess[oa]"
    r"|(?:afbeelding|video|audio|sticker|GIF|document) weggelaten"
    r"|null",
    re.IGNORECASE,
)
_GENERATED = re.compile(
    r"(?:"
    r"(?:This message was deleted|You deleted this message)(?: by .{1,80})?"
    r"|Diese Nachricht wurde(?: von .{1,80})? gelöscht|Du hast diese Nachricht gelöscht"
    r"|Ce message a été supprimé(?: par .{1,80})?|Vous avez supprimé ce message"
    r"|(?:Este mensaje fue eliminado|Se eliminó este mensaje|Este mensaje se eliminó|Eliminaste este mensaje)"
    r"|(?:Esta mensagem foi apagada|Mensagem apagada(?: por si)?|Você apagou esta mensagem|Apagaste esta mensagem)"
    r"|Questo messaggio è stato eliminato|Hai eliminato questo messaggio"
    r"|Dit bericht is verwijderd|(?:Je|U) hebt dit bericht verwijderd"
    r"|Ta wiadomość została usunięta|Bu mesaj silindi|Bu mesajı sildiniz"
    r"|Messages and calls are end-to-end encrypted\b.*|Messages to this (?:chat|group).* end-to-end encryption\b.*"
    r"|Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt\b.*"
    r"|Les messages et les appels sont chiffrés de bout en bout\b.*"
    r"|Los mensajes y las llamadas están cifrados de extremo a extremo\b.*"
    r"|As mensagens e (?:as )?(?:ligações|chamadas) são protegidas com a criptografia de ponta a ponta\b.*"
    r"|As mensagens e chamadas são encriptadas ponto a ponto\b.*"
    r"|I messaggi e le chiamate sono crittografati end-to-end\b.*"
    r"|(?:Missed|Silenced) (?:group )?(?:voice|video) call\b.*|(?:Voice|Video) call, .{1,30}"
    r"|Verpasster? (?:Sprach|Video|Gruppen)anruf\b.*|Appel (?:vocal|vidéo) manqué\b.*"
    r"|(?:Videol|L)lamada(?: de voz)? perdida\b.*|(?:Ligação|Chamada) de (?:voz|vídeo) perdida\b.*"
    r"|(?:Videoc|C)hiamata(?: vocale)? persa\b.*"
    r"|Waiting for this message\b.*|Your security code with .* changed\b.*"
    r")\.?",
    re.IGNORECASE | re.DOTALL,
)
