"""`potluck node run` without the libraries of a command line: it stays for days on a friend's PC, so it is small.

Anything but the plain command (`--help`, a mistyped option) is left to `node.cli`, which says the same in more words.
"""

from __future__ import annotations

import asyncio

from node import membership, screen
from node.home import default_home
from node.main import run
from shared.ending import ended
from shared.saying import say

_JSON, _VERBOSE = frozenset({"--json"}), frozenset({"-v", "--verbose"})
REMOVED = 3  # exit code of a PC that is no longer in the group


def main(arguments: list[str]) -> int:
    """Be the agent until it is stopped. Returns the exit code."""
    given = set(arguments)
    if given - _JSON - _VERBOSE:
        from node.cli import main as whole

        return whole(["run", *arguments])
    return ended(lambda: stay(as_json=bool(given & _JSON), verbose=bool(given & _VERBOSE)), complain)


def stay(*, as_json: bool, verbose: bool) -> int:
    """Run the agent of the default home, and say why the host sent it away, if it did."""
    home = default_home()
    membership.load(home)  # or nothing is made there
    words = screen.run(lambda log, show: asyncio.run(run(home, log, show)), home, as_json=as_json, verbose=verbose)
    if words:
        complain(words)
    return REMOVED if words else 0


def complain(sentence: str) -> None:
    say(sentence, err=True)
