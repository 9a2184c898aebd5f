"""One command line, run to its exit code: our own errors are sentences on standard error, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import typer

from shared.disk import owners_trouble


def run_app(application: typer.Typer, name: str, arguments: list[str] | None) -> int:
    """0 fine, 1 said in words, 2 not a command of ours, 130 Ctrl-C; a bug of ours is raised."""
    try:
        answer: Any = application(args=arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Exception as error:
        troubles = [owners_trouble(leaf) for leaf in _leaves(error)]
        sentences = [trouble.sentence for trouble in troubles if trouble is not None]
        if len(sentences) < len(troubles):
            raise
        for sentence in dict.fromkeys(sentences):
            typer.echo(sentence, err=True)
        return 1
    return answer if isinstance(answer, int) else 0


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
