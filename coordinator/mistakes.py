"""What is wrong with a run file, in words: which line, which entry, what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

NOT_YAML = (
    "here the file stops being a list of `name: value` lines. Look for a missing or second colon, a missing quote or "
    "bracket, a tab, or a wrong indent, in this line or just above"
)

Known = Callable[[list[Any]], list[str]]  # where in the file -> the entries it may have there


@dataclass(frozen=True, slots=True)
class Mistake:
    line: int  # 1-based
    where: str  # "optimizer.lr"; empty: the file itself
    sentence: str

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"line {self.line}: {where}{self.sentence}"


def told(root: yaml.Node | None, detail: Any, known: Known) -> Mistake:
    """One of pydantic's complaints about a run file, with its line."""
    path = [
        part
        for part in detail["loc"]
        if not (isinstance(part, str) and (part.startswith("function") or part in ("_Lora", "literal['full']")))
    ]
    if detail["loc"][:1] == ("recipe",) and detail["loc"] != ("recipe",):
        path = ["recipe"] if len(path) < 2 or detail["type"] == "literal_error" else path
        allowed = "must be `full` or `{lora: RANK}` with a rank of 1 to 1024 (and `alpha`, `targets`)"
        return Mistake(line_of(root, path), "recipe", allowed)
    if detail["loc"][:1] == ("evaluate",):
        return Mistake(line_of(root, ["evaluate"]), "evaluate", "must be true, false or last")
    return Mistake(
        line_of(root, path), ".".join(str(part) for part in path) or "the file", _sentence(path, detail, known)
    )


def _sentence(path: list[Any], detail: Any, known: Known) -> str:
    given, context = detail.get("input"), detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            allowed = known(path[:-1])
            near = difflib.get_close_matches(str(path[-1]), allowed, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else "."
            return f"is not known here{hint} Allowed: {', '.join(allowed)}"
        case "literal_error":
            return f"{given!r} is not allowed; choose {context['expected']}"
        case "value_error":
            return str(context["error"])
        case _:
            return f"{given!r} is not allowed; {_wanted(detail['type'], context)}"


def _wanted(kind: str, limits: Mapping[str, Any]) -> str:
    """What pydantic missed, in plain words."""
    match kind:
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            (limit,) = limits.values()
            words = {"greater_than": "more than", "less_than": "less than", "less_than_equal": "at most"}
            return f"it must be {words.get(kind, 'at least')} {limit:,.10g}"
        case "string_too_short":
            return "it must not be empty"
        case "string_too_long":
            return f"it may have {limits['max_length']} characters"
        case "too_short" | "too_long" | "tuple_type":
            return "write a list in brackets of the right length"
        case _ if kind.startswith("int"):
            return "write a whole number"
        case _ if kind.startswith("float"):
            return "write a number"
        case _ if kind.startswith("bool"):
            return "write true or false"
        case _ if kind.startswith("string_pattern"):
            return "use letters, digits and _ only"
        case _ if kind.startswith("string"):
            return "write a text"
        case _:
            return "write it as in deploy/examples/"


def line_of(node: yaml.Node | None, path: list[Any]) -> int:
    """The line of the deepest part of `path` that exists."""
    line = 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
