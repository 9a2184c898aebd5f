"""Our frozen dataclasses <-> plain JSON values, guided by their type hints. Strict: what does not fit is refused.

Knows the few shapes that facts and states are made of: numbers, text, digests and ids, StrEnums, optional values,
tuples, frozensets, dictionaries with text keys, dataclasses, and `Any` for a run file's plain JSON. The order of
dictionaries is kept; bytes travel as hex.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints


def to_plain(value: Any) -> Any:
    """JSON values for `value`."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case Set():
            return sorted(to_plain(item) for item in value)
        case tuple() | list():
            return [to_plain(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in the journal")


def from_plain(kind: Any, raw: Any) -> Any:
    """The value of type `kind` that `raw` stands for. Raises ValueError saying what does not fit."""
    if kind is Any:
        return raw
    if isinstance(kind, NewType):
        return from_plain(kind.__supertype__, raw)
    if is_dataclass(kind):
        return _dataclass(kind, raw)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(raw)
    match get_origin(kind):
        case None:
            return _scalar(kind, raw)
        case origin if origin in (Union, types.UnionType):
            return _optional(kind, raw)
        case origin if isinstance(origin, type) and issubclass(origin, tuple):
            return _tuple(get_args(kind), _expect(list, raw))
        case origin if isinstance(origin, type) and issubclass(origin, Set):
            return frozenset(from_plain(get_args(kind)[0], item) for item in _expect(list, raw))
        case origin if isinstance(origin, type) and issubclass(origin, Mapping):
            key_kind, item_kind = get_args(kind)
            return {from_plain(key_kind, key): from_plain(item_kind, item) for key, item in _expect(dict, raw).items()}
        case _:
            raise TypeError(f"{kind} has no place in the journal")


def _dataclass(kind: Any, raw: Any) -> Any:
    hints = _hints(kind)
    entries = _expect(dict, raw)
    if unknown := sorted(entries.keys() - hints.keys()):
        raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}")
    try:
        return kind(**{name: from_plain(hints[name], item) for name, item in entries.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__} is incomplete: {error}") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _optional(kind: Any, raw: Any) -> Any:
    if raw is None and type(None) in get_args(kind):
        return None
    (only,) = [option for option in get_args(kind) if option is not type(None)]
    return from_plain(only, raw)


def _tuple(kinds: tuple[Any, ...], raw: list[Any]) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is ...:
        return tuple(from_plain(kinds[0], item) for item in raw)
    return tuple(from_plain(kind, item) for kind, item in zip(kinds, raw, strict=True))


def _scalar(kind: Any, raw: Any) -> Any:
    if kind is bytes:
        return bytes.fromhex(_expect(str, raw))
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind is int and isinstance(raw, bool):
        raise ValueError("true or false where a number was expected")
    return _expect(kind, raw)


def _expect(kind: type, raw: Any) -> Any:
    if not isinstance(raw, kind):
        raise ValueError(f"{type(raw).__name__} where {kind.__name__} was expected")
    return raw
