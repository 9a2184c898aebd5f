"""One command line, run to its exit code: our own errors are sentences on standard error, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import typer

from shared.errors import PotluckError


def run_app(application: typer.Typer, name: str, arguments: list[str] | None) -> int:
    """0 fine, 1 said in words, 2 not a command of ours, 130 Ctrl-C; a bug of ours is raised."""
    try:
        answer: Any = application(args=arguments, prog_name=name, standalone_mode=False)
    except PotluckError as error:
        typer.echo(error.sentence, err=True)
        return 1
    except ExceptionGroup as several:
        ours, others = several.split(PotluckError)
        if ours is None or others is not None:
            raise
        for sentence in dict.fromkeys(error.sentence for error in _leaves(ours)):
            typer.echo(sentence, err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    return answer if isinstance(answer, int) else 0


def _leaves(group: ExceptionGroup[PotluckError]) -> Iterator[PotluckError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
