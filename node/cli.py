"""`potluck node ...`: what a friend types. Everything heavy, and everything slow, waits until its command runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from node.data_cli import data
from node.home import default_home
from shared.commands import run_app
from shared.errors import OwnerMustAct
from shared.saying import say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="This PC in the group."
)
app.add_typer(data, name="data")

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def join(
    invite: Annotated[str, typer.Argument(help="The word your host sent you; - reads it from standard input.")] = "",
    name: Annotated[str, typer.Option(help="What to call this PC (default: the name in the invite).")] = "",
) -> None:
    """Join a group with the one word your host sent you."""
    from node import joining

    if invite == "-":
        invite = sys.stdin.read()
    elif not invite:
        invite = typer.prompt("Paste the word your host sent you")
    asyncio.run(joining.join_and_tell(default_home(), invite, name, typer.echo))


@app.command()
def run(
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the log's own lines, too.")] = False,
) -> None:
    """Take part: train when the host asks, until Ctrl-C. Stays in this window; log/agent.log keeps everything."""
    from node import agent

    if code := agent.stay(as_json=as_json, verbose=verbose):
        raise typer.Exit(code)


@app.command()
def pause(
    duration: Annotated[
        list[str] | None, typer.Argument(help="2h, 30 min, or until 21:30; nothing: until you resume.")
    ] = None,
) -> None:
    """Stop training and give the memory back within seconds. What was done counts. Works offline too."""
    from node import owner
    from shared import units

    now = datetime.now().astimezone()
    try:
        until = units.until(" ".join(duration), now) if duration else None
    except ValueError as error:
        raise OwnerMustAct(str(error)) from error
    owner.pause(default_home(), now, until)
    typer.echo(f"Paused until {until:%a %H:%M}." if until else "Paused until you type: potluck node resume")


@app.command()
def resume() -> None:
    """Work again."""
    from node import owner

    owner.resume(default_home(), datetime.now().astimezone())
    typer.echo("This PC takes part again.")


@app.command()
def status(as_json: Json = False) -> None:
    """What this PC is doing, and what became of its updates. Works when the agent does not run, too."""
    from node import showing

    words = showing.status(default_home())
    if as_json:
        typer.echo(json.dumps(words))
    elif words["joined"]:
        showing.show_status(words)
    else:
        say(words["sentence"], err=True)
    if not words["joined"]:
        raise typer.Exit(1)


@app.command()
def sent(as_json: Json = False) -> None:
    """Everything that ever left this PC, one line each."""
    from node import showing

    lines = showing.sent_lines(default_home())
    if as_json:
        typer.echo(json.dumps(lines))
    else:
        showing.show_sent(lines)


@app.command()
def leave(
    force: Annotated[bool, typer.Option("--force", help="Forget the group even if the host cannot be told.")] = False,
) -> None:
    """Leave the group: tell the host, and forget the key. Your data stays."""
    from node import leaving

    asyncio.run(leaving.leave(default_home(), force=force))
    say("This PC has left the group. Its text collections and the record of what was sent are still here.")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Walk every hop from here to a training step, and name the one that fails."""
    from node import doctor as doctor_
    from node.examining.check import Check

    def tell(check: Check) -> None:
        if not as_json:
            say(str(check), below=doctor_.BELOW)

    def doing(words: str) -> None:
        if sys.stderr.isatty():
            say(words, below=doctor_.BELOW, err=True)

    checks = asyncio.run(doctor_.examine(default_home(), tell, doing))
    if as_json:
        typer.echo(json.dumps([check.as_words() for check in checks]))
    if any(check.fine is False for check in checks):
        raise typer.Exit(1)


@app.command("allow-app")
def allow_app(
    folder: Annotated[Path | None, typer.Argument(help="The folder of a Flower app that you have and trust.")] = None,
    config: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of this PC for the app (repeatable).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    forget: Annotated[str, typer.Option(metavar="DIGEST", help="Take a consent back.")] = "",
    as_json: Json = False,
) -> None:
    """Let runs use a Flower app on this PC. Without a folder: what is allowed. Code never comes over the network."""
    from node import allowing

    allowing.allow_app(default_home(), folder, config or [], forget, yes=yes, as_json=as_json)


@app.command(hidden=True)
def alone(run: str, as_json: Json = False) -> None:
    """The baseline: train alone on this PC's own text, for as many steps as the whole run has."""
    from node import alone as alone_

    answer = asyncio.run(alone_.train_alone(default_home(), run, progress_line("training alone")))
    typer.echo(json.dumps(answer) if as_json else alone_.in_words(answer))


def progress_line(what: str) -> Callable[[float, str], None]:
    """A line that is written over on a terminal, and silence in a pipe."""
    if not sys.stderr.isatty():
        return lambda share, words: None
    return lambda share, words: typer.echo(f"\r{what}: {share:.0%} {words}\033[K", nl=share >= 1, err=True)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 fine, 1 said in words, 2 mistyped, 3 removed from the group, 130 Ctrl-C."""
    return run_app(app, "potluck node", arguments)
