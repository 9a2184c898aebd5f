"""The most common words of the languages whose texts we judge by them; other languages are not judged by stop words."""

from __future__ import annotations

# English: the eight of Gopher (Rae et al. 2021, table A1) and some more; the others chosen alike.
STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the be to of and that have with a in is it for you on not this are as at by from or an was",
        "de": "der die das und ist in zu den mit nicht ein eine auf für von dem sich des als auch es an wir ich",
        "fr": "le la les de des et est un une en du que qui dans pour pas sur au ce il ne se plus avec",
        "es": "el la los las de que y en un una es por con no se del al para lo su como más",
        "it": "il la le di che e un una in per non è con si del della sono da al come più i",
        "pt": "o a os as de que e em um uma para com não por do da no na se mais é",
        "nl": "de het een en van in is op te dat niet met voor zijn aan er die om ook als",
        "sv": "och att det i en som på är av för med den till inte har de ett om var jag",
        "da": "og at det i en som på er af for med den til ikke har de et om var jeg",
        "no": "og at det i en som på er av for med den til ikke har de et om var jeg",
        "pl": "i w na z do się nie to jest że o jak po co ale od za przez dla są",
        "cs": "a v na se je že to s z do o i pro jako ve po ale za by jsou",
        "ru": "и в не на что с по это как к из у за от но для о же бы так",
        "uk": "і в не на що з до як та у за це від але для про по є із ти",
        "tr": "ve bir bu da de için ile çok ne gibi daha olarak var ama o ki mi olan",
    }.items()
}
