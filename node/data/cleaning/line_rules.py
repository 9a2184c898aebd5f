"""Which lines are boilerplate, and where: a rule takes a whole line or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Where = Literal["anywhere", "pages", "pdf"]


@dataclass(frozen=True, slots=True)
class LineRule:
    name: str
    where: Where
    starts: tuple[str, ...]  # what such a line begins with after marks, in lower case, as whole words; none: anything
    line: re.Pattern[str]  # matches a stripped line from its start to its end
    needles: tuple[
        str, ...
    ] = ()  # where any word may start the line: what the text must hold, in lower case; none: nothing
    default: bool = True


def _whole(*lines: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(lines)})\W*\Z", re.IGNORECASE)


_NETWORKS = (
    "facebook|twitter|x|linkedin|whatsapp|telegram|pinterest|reddit|tumblr|instagram|youtube|e-?mail|mastodon|xing"
)
_PHONES = r"iphone|ipad|android\w*|samsung|galaxy|huawei|mobil\w*|outlook|gmx|gmail|yahoo|mail"
_CONSENT = (
    r"privacy|consent|experience|accept|agree|policy|settings|analytics|advertis\w+|"
    r"zustimm\w+|akzeptier\w+|einwillig\w+|datenschutz\w*|accepte\w*|acepta\w*|accett\w*"
)

RULES: tuple[LineRule, ...] = (
    LineRule(
        "cookie button",
        "anywhere",
        (
            *("accept", "reject", "allow", "decline", "manage", "refuse", "cookie", "cookies", "alle"),
            *("cookie-einstellungen", "tout", "accepter", "aceptar", "accetta"),
        ),
        _whole(
            r"(?:accept|reject|allow|decline|manage|refuse)(?: all| only)?(?: \w+)? cookies?",
            r"cookie (?:settings|policy|preferences|notice|consent)",
            r"(?:alle )?cookies? (?:akzeptieren|ablehnen|zulassen)",
            r"cookie-einstellungen",
            r"(?:tout )?accepter (?:tous )?les cookies",
            r"aceptar (?:todas )?las cookies",
            r"accetta (?:tutti )?i cookie",
        ),
    ),
    LineRule(
        "cookie banner",
        "pages",
        (),
        _whole(
            r"(?=.*\b(?:we|website|site|by using|by continuing|wir|webseite|nous|sito|sitio)\b)"
            rf"(?=.*\bcookies?\b)(?=.*\b(?:{_CONSENT})\b).*"
        ),
        needles=("cookie",),
    ),
    LineRule(
        "rights reserved",
        "anywhere",
        (),
        _whole(
            r".*\b(?:all rights reserved|alle rechte vorbehalten|tous droits réservés|todos los derechos reservados|"
            r"tutti i diritti riservati|все права защищены)\b.{0,60}"
        ),
        needles=(
            "rights reserved",
            "rechte vorbehalten",
            "droits réservés",
            "derechos reservados",
            "diritti riservati",
            "права защищены",
        ),
    ),
    LineRule(
        "navigation link",
        "anywhere",
        ("skip", "toggle", "back", "jump", "zum", "zurück", "retour"),
        _whole(
            r"skip to (?:main |the )?(?:content|navigation|search)",
            r"toggle (?:navigation|menu|sidebar|the table of contents)",
            r"\W*back to (?:the )?top",
            r"jump to (?:navigation|search|content)",
            r"zum inhalt springen",
            r"zurück nach oben",
            r"\W*retour en haut de page",
        ),
    ),
    LineRule(
        "navigation",
        "pages",
        (
            *("home", "main", "menu", "log", "login", "sign", "register", "read", "search", "sitemap"),
            *("contents", "index", "next", "prev", "previous"),
        ),
        _whole(
            r"home|(?:main )?menu|log ?in|sign (?:in|up)|register|read more|search|sitemap|contents|index",
            r"\W*(?:next|prev|previous)(?: page| post| article)?",
        ),
    ),
    LineRule(
        "navigation bar",
        "pages",
        (),
        _whole(r"(?:[^|»›•.!?]{1,25}[|»›•] *){2,}[^|»›•.!?]{0,25}"),
        needles=("|", "»", "›", "•"),
    ),
    LineRule(
        "share buttons",
        "anywhere",
        ("share", "tweet", "pin", "like", "post", "follow", "teilen", "partager", "compartir"),
        _whole(
            r"(?:(?:share|tweet|pin|like|post|follow us|teilen|partager|compartir)"
            r"(?: (?:this|it|us|on|via|to|by|auf|sur|en|post|article|page))*"
            rf"(?:[ ,/|·]+(?:and |or |und |et )?(?:{_NETWORKS}))+)",
            r"(?:share|tweet) this(?: page| post| article)?",
        ),
    ),
    LineRule(
        "page number",
        "anywhere",
        ("page", "seite", "página", "pagina", "стр", "страница"),
        _whole(
            r"(?:page|seite|página|pagina|стр\.?|страница)\s+\d{1,5}(?:\s*(?:/|of|von|sur|de|di|из)\s*\d{1,5})?",
            r"-+ \d{1,5} -+",
        ),
    ),
    LineRule("bare page number", "pdf", (), _whole(r"\d{1,4}", r"[ivxlc]{1,6}"), needles=("\n",)),
    LineRule(
        "sent from a phone",
        "anywhere",
        ("sent", "von", "gesendet", "envoyé", "enviado", "inviato", "get"),
        _whole(
            r"(?:sent from|von meinem|gesendet von|gesendet mit|envoyé de|enviado desde|inviato da)\b"
            rf".{{0,40}}\b(?:{_PHONES})\b.{{0,30}}",
            r"get outlook for (?:ios|android)",
        ),
    ),
    LineRule(
        "unsubscribe notice",
        "anywhere",
        (),
        _whole(
            r"(?:to |click here to |you can )?unsubscribe(?: here| now)?",
            r"(?:to|click|if you)\b.{0,120}\bunsubscribe\b.{0,80}\b(?:list|e?-?mails?|link|click|send|visit|here)\b.*",
            r"newsletter abbestellen|se désabonner|se désinscrire|darse de baja",
        ),
        needles=("unsubscribe", "abbestellen", "désabonner", "désinscrire", "darse de baja"),
    ),
    LineRule(  # C4 (Raffel et al. 2020, section 2.2)
        "javascript wanted",
        "pages",
        (),
        _whole(
            r".*\b(?:enable|activate|requires?|turn on|aktivieren)\b.*\bjavascript\b.*",
            r".*\bjavascript\b.*\b(?:enabled?|disabled|required)\b.*",
        ),
        needles=("javascript",),
    ),
    LineRule(  # C4: only lines that end as sentences do; harsh on lists, headings and verse
        "no end mark", "pages", (), re.compile(r".*[^.!?\"”'’…。！？»\s]\Z"), needles=("",), default=False
    ),
)
