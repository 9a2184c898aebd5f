"""Which countries a text may be of: its owner's, and those of its language."""

from __future__ import annotations

from node.data.cleaning import language
from node.data.document import Document

_OF_LANGUAGE = {
    "en": ("US", "GB", "CA", "AU", "IE", "NZ"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH"),
    "es": ("ES", "MX", "AR", "CL"),
    "pl": ("PL",),
    "ja": ("JP",),
    "it": ("IT", "CH"),
    "nl": ("NL", "BE"),
    "pt": ("PT", "BR"),
    "sv": ("SE",),
    "da": ("DK",),
    "no": ("NO",),
    "nb": ("NO",),
    "nn": ("NO",),
    "fi": ("FI",),
    "cs": ("CZ",),
    "sk": ("SK",),
    "hu": ("HU",),
    "ro": ("RO",),
    "bg": ("BG",),
    "hr": ("HR",),
    "sl": ("SI",),
    "el": ("GR",),
    "tr": ("TR",),
    "ru": ("RU",),
    "uk": ("UA",),
    "zh": ("CN", "TW"),
    "ko": ("KR",),
    "et": ("EE",),
    "lt": ("LT",),
    "lv": ("LV",),
    "he": ("IL",),
    "ca": ("ES",),
    "eu": ("ES",),
    "gl": ("ES",),
}


def regions(document: Document, country: str) -> tuple[str, ...]:
    """ISO 3166 codes, the owner's first; only the owner's if the language is not clear."""
    own = (country.upper(),) if country else ()
    return tuple(dict.fromkeys(own + _OF_LANGUAGE.get(language.of(document), ())))
