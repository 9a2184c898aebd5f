"""The one console script: `potluck node ...`, `potluck coordinator ...`, `potluck model ...`. Light: help is fast.

Which module answers is a string looked up when it is needed: `shared` imports neither side.
"""

from __future__ import annotations

import importlib
import sys

_ROOMS = {
    "node": ("node.cli", "This PC: join a group, add data, run, pause, see what was sent."),
    "coordinator": ("coordinator.cli", "Host a group: invite friends, start runs, watch rounds."),
    "model": ("node.model_cli", "The result: fetch it, try it."),
}


def main(arguments: list[str] | None = None) -> int:
    """Hand the rest of the line to the room it names. Returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    match words:
        case ["node", "run", *rest]:  # stays for days, so without the weight of a command line
            agent: int = importlib.import_module("node.agent").main(rest)
            return agent
        case [room, *rest] if room in _ROOMS:
            answer: int = importlib.import_module(_ROOMS[room][0]).main(rest)
            return answer
        case ["--version" | "-V"]:
            from shared.rpc.protocol import VERSION

            print(f"potluck {VERSION}")
            return 0
        case [] | ["--help" | "-h" | "help"]:
            print(_help())
            return 0
        case _:
            print(f"There is no `potluck {words[0]}`.\n\n{_help()}", file=sys.stderr)
            return 2


def _help() -> str:
    rooms = "\n".join(f"  potluck {room:<12} {words}" for room, (_, words) in _ROOMS.items())
    return (
        "Everyone brings compute, keeps their recipe, and all eat the result.\n\n"
        f"{rooms}\n\n"
        "  potluck --version\n\n"
        "Each has its own help: potluck node --help"
    )


if __name__ == "__main__":
    sys.exit(main())
