"""The sources that the index has met, by number, and which of them the owner removed: these have no name any more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from shared.disk import write
from shared.errors import OwnerMustAct


class Sources:
    """Numbers are never used again: a source that is removed and added anew gets another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            words = json.loads(path.read_bytes())
            self._names: list[str] = [str(name) for name in words["names"]]
            self._removed = {int(number) for number in words["removed"]}
            for number in self._removed:
                self._names[number] = ""
        except FileNotFoundError:
            self._names, self._removed = [], set()
        except (ValueError, LookupError, TypeError) as error:
            raise OwnerMustAct(
                f"{path} is damaged. Remove the folder {path.parent} and add your sources again."
            ) from error

    def number(self, name: str) -> int:
        """Its number; a new one is on the disk before it is given."""
        known = self.known(name)
        if known is not None:
            return known
        self._names.append(name)
        self._save()
        return len(self._names) - 1

    def known(self, name: str) -> int | None:
        """The number of a source that was not removed."""
        return next((number for number in self.living() if self._names[number] == name), None)

    def name(self, number: int) -> str:
        return self._names[number]

    def living(self) -> list[int]:
        return [number for number in range(len(self._names)) if number not in self._removed]

    def removed(self) -> list[int]:
        return sorted(self._removed)

    def numbers(self, names: Iterable[str]) -> list[int]:
        """Those of the names that are known."""
        return [number for name in names if (number := self.known(name)) is not None]

    def remove(self, name: str) -> None:
        """At once and for good, its name too; removing twice is harmless."""
        number = self.known(name)
        if number is not None:
            self._removed.add(number)
            self._names[number] = ""
            self._save()

    def _save(self) -> None:
        words = {"names": self._names, "removed": sorted(self._removed)}
        write(self._path, json.dumps(words, ensure_ascii=False, indent=1).encode())
