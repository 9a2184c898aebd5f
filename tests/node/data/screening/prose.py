"""Letters made up of varied sentences, with what many real texts share: headings, signatures, licences, idioms."""

from __future__ import annotations

import random
from itertools import product

from node.data.document import Document

_NOUNS = (
    "train,house,river,bread,morning,letter,garden,window,street,bicycle,kitchen,winter,teacher,doctor,market,bridge,"
    "forest,candle,engine,blanket,mirror,island,harbour,saddle,basket,pencil,ladder,button,pillow,kettle,hammer,feather,"
    "pepper,valley,meadow,tunnel,cellar,lantern,jacket,compass,violin,painter,sailor,farmer,neighbour,cousin,uncle,moon"
)
_VERBS = (
    "saw,found,carried,painted,repaired,forgot,visited,sold,followed,remembered,opened,closed,cleaned,borrowed,lost,"
    "admired,crossed,measured,described,kept,washed,tastes,turned,lifted,counted"
)
_ADJECTIVES = "cold,old,small,bright,quiet,heavy,broken,empty,green,warm,strange,narrow,wooden,distant,gentle,blue"
_LINKS = "because,while,although,before,after,until,when,so,and,but"
_PLACES = "in the village,near the station,at the lake,on the hill,behind the church,in town,by the sea,today"
_ARTICLES = "the,a,my,our,that"
_IDIOMS = ("On the other hand,", "As a matter of fact,", "In the long run,", "Once in a while,")
_LICENCE = (
    "This text is given to you in the hope that it will be useful, but without any warranty; without even the implied "
    "warranty of fitness for a particular purpose. You may pass it on as long as this notice stays with it."
)


# Real texts hold thousands of words, most of them rare.
_SYLLABLES = "ba,con,der,fel,gor,hin,jam,kor,lan,mer,nor,pel,ras,sen,tul,vin"
_RARE = [first + second + third for first, second, third in product(_SYLLABLES.split(","), repeat=3)]


def letters(count: int) -> list[Document]:
    """`count` documents of about 600 characters; the same ones each time."""
    return [Document(f"letter-{number:05}.txt", _letter(random.Random(number))) for number in range(count)]


def _letter(chance: random.Random) -> str:
    body = "\n".join(" ".join(_sentence(chance) for _ in range(2)) for _ in range(4))
    parts = [body]
    if chance.random() < 0.3:
        parts = ["NAME OF THE PAGE", body, "SEE ALSO THE OTHERS", _sentence(chance)]
    if chance.random() < 0.2:
        parts.append(_LICENCE)
    if chance.random() < 0.4:
        parts.append("With kind regards from Anna Maria Beispiel\nPotluck Street Twelve")
    return "\n\n".join(parts)


def _sentence(chance: random.Random) -> str:
    def one(words: str) -> str:
        return chance.choice(words.split(","))

    def seldom(words: str) -> str:
        return one(words) if chance.random() < 0.05 else chance.choice(_RARE)

    def thing() -> str:
        adjective = f"{seldom(_ADJECTIVES)} " if chance.random() < 0.5 else ""
        return f"{one(_ARTICLES)} {adjective}{seldom(_NOUNS)}"

    def clause() -> str:
        who = chance.choice(("I", "we", "she", "he", "they", "nobody", "everybody", thing()))
        where = f" {one(_PLACES)}" if chance.random() < 0.3 else ""
        return f"{who} {seldom(_VERBS)} {thing()}{where}"

    start = f"{chance.choice(_IDIOMS)} " if chance.random() < 0.1 else ""
    return f"{start}{clause()} {one(_LINKS)} {clause()}."
