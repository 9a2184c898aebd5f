"""XML of a stranger, as it comes: no document type, so no entities; nothing is fetched, nothing nests for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol
from xml.parsers import expat

from node.data.reading.archives import DAMAGED
from node.data.reading.limits import Refused
from node.data.reading.streams import Stream

DOCTYPE = "an XML file with a document type, which no word processor writes"
STEP = 64 << 10  # bytes given to the parser at a time
_LONGEST_TAG = 4 << 20  # bytes
_DEEPEST = 1000  # tags within each other


class Listener(Protocol):
    """Is told of tags by their names without prefix."""

    def opened(self, tag: str, attributes: Mapping[str, str], /) -> None: ...
    def closed(self, tag: str, /) -> None: ...
    def said(self, text: str, /) -> None: ...
    def taken(self) -> list[str]: ...


def listened(stream: Stream, listener: Listener) -> Iterator[str]:
    """Whatever the listener makes of it, as soon as it has. Raises Refused."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def opened(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise Refused(DAMAGED)
        listener.opened(_local(name), attributes)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        listener.closed(_local(name))

    def refused(*_: object) -> None:
        raise Refused(DOCTYPE)

    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    parser.CharacterDataHandler = listener.said
    parser.StartDoctypeDeclHandler = refused
    fed = 0
    try:
        while data := stream.read(STEP):
            parser.Parse(data, False)
            fed += len(data)
            if fed - max(0, parser.CurrentByteIndex) > _LONGEST_TAG:  # the parser holds a tag until it ends
                raise Refused(DAMAGED)
            yield from listener.taken()
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter: encodings that there are not
        raise Refused(DAMAGED) from error
    yield from listener.taken()


def attribute(attributes: Mapping[str, str], name: str) -> str:
    """By its name without prefix; "" when it is not there."""
    return next((value for key, value in attributes.items() if _local(key) == name), "")


def _local(name: str) -> str:
    return name.rpartition(":")[2]
