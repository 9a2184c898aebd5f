"""One command line, run to its exit code. What happened in it is told as every command of ours tells it."""

from __future__ import annotations

import click
import typer

from shared.ending import ended
from shared.saying import say


def run_app(application: typer.Typer, name: str, arguments: list[str] | None) -> int:
    """0 fine, 1 said in words, 2 not a command of ours, 130 Ctrl-C; a bug of ours is raised."""
    try:
        return ended(
            lambda: application(args=arguments, prog_name=name, standalone_mode=False),
            lambda sentence: say(sentence, err=True),
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
