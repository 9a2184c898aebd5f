"""Private keys and tokens that can be told by their looks: a maker's prefix is looked for before its pattern runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from node.data.privacy.kinds import Hit, Kind

_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_BODY = re.compile(r"(?:[ \t>]{0,8}[A-Za-z0-9+/=:,-][A-Za-z0-9+/=:, -]{0,99}(?:\r?\n|\\n|$)|\r?\n|\\n)*")
_LONGEST_BLOCK = 64 << 10  # characters


# What must be in the text, and the token's form. Lengths are the makers' own, or a little shorter.
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (sign, re.compile(rf"(?<![A-Za-z0-9]){pattern}"))
    for sign, pattern in (
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,255}"),  # Slack
        ("xapp-", r"xapp-[0-9]-[A-Za-z0-9-]{10,255}"),
        ("hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,100}"),
        ("discord", r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[\w-]{40,100}"),
        *((sign, rf"[rsp]k{sign}[A-Za-z0-9]{{16,255}}") for sign in ("_live_", "_test_")),  # Stripe
        ("whsec_", r"whsec_[A-Za-z0-9+/=]{24,100}"),
        ("AIza", r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),  # Google
        ("GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,60}"),
        ("ya29.", r"ya29\.[A-Za-z0-9_-]{20,2000}"),
        (
            "sk-",
            r"sk-(?=[A-Za-z0-9_-]{0,250}[0-9])(?=[A-Za-z0-9_-]{0,250}[A-Z])[A-Za-z0-9_-]{32,255}",
        ),  # OpenAI and others
        ("hf_", r"hf_[A-Za-z0-9]{30,60}(?![A-Za-z0-9])"),
        ("npm_", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
        ("pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50,1000}"),
        ("SG.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),  # SendGrid
        ("dop_v1_", r"dop_v1_[a-f0-9]{64}"),
        ("shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),  # Shopify
        (":AA", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])"),  # Telegram
        ("AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{50,70}"),
        ("eyJ", r"eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{0,2000}"),  # JSON web tokens
    )
)
# Many beginnings: faster looked for at once.
_FAMILIES = (
    re.compile(r"A(?<![A-Za-z0-9]A)(?:KIA|SIA|BIA|CCA|ROA|IDA)[A-Z0-9]{16}(?![A-Za-z0-9])"),  # AWS
    re.compile(r"gh(?<![A-Za-z0-9]gh)[oprsu]_[A-Za-z0-9]{30,255}"),  # GitHub
    re.compile(r"gl(?<![A-Za-z0-9]gl)(?:pat|oas|dt|rt|ptt|cbt|soat|ft|agent)-[A-Za-z0-9_.-]{20,300}"),  # GitLab
)
_AUTHORISED = re.compile(
    r"(?:\bbearer|authorization[\"']?\s?[:=]\s?[\"']?(?:basic|token|apikey|digest))\s{1,3}([A-Za-z0-9._~+/=-]{16,4000})",
    re.IGNORECASE,
)


def keys(text: str, lowered: str) -> Iterator[Hit]:
    """Of a plain text, also given in lower case."""
    if "PRIVATE KEY" in text:
        yield from _blocks(text)
    for sign, pattern in _TOKENS:
        if sign in text:
            for found in pattern.finditer(text):
                yield Hit(found.start(), found.end(), Kind.KEY)
    for family in _FAMILIES:
        for found in family.finditer(text):
            yield Hit(found.start(), found.end(), Kind.KEY)
    if "bearer" in lowered or "authorization" in lowered:
        for found in _AUTHORISED.finditer(text):
            if re.search("[0-9]", found[1]):
                yield Hit(found.start(1), found.end(1), Kind.KEY)


def _blocks(text: str) -> Iterator[Hit]:
    """To its end, or, of a block that is cut off, as far as the lines look like one."""
    done = 0
    for beginning in _BLOCK.finditer(text):
        if beginning.start() < done:
            continue
        limit = beginning.end() + _LONGEST_BLOCK
        end = _BLOCK_END.search(text, beginning.end(), limit)
        again = _BLOCK.search(text, beginning.end(), limit)
        if end is not None and (again is None or end.start() < again.start()):
            done = end.end()
        else:
            body = _BLOCK_BODY.match(text, beginning.end(), limit)
            done = body.end() if body else beginning.end()
        yield Hit(beginning.start(), done, Kind.KEY)
