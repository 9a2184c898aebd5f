"""`potluck model ...`: the result, for any member of the group. Heavy work is done by children."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import progress_line
from node.home import cache, default_home
from shared.commands import run_app
from shared.errors import OwnerMustAct, TryLater
from shared.saying import say

if TYPE_CHECKING:
    from node import result

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The result: fetch it, try it."
)


@app.command()
def get(
    run: Annotated[str, typer.Argument(help="Which run, by its name; may be left out when there is only one.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="A new or empty folder for it (default: under Potluck's own).")
    ] = None,
    merged: Annotated[bool, typer.Option("--merged", help="Also fold an adapter into its base.")] = False,
) -> None:
    """Fetch the newest model of a run as a Hugging Face folder."""
    from node import result as result_

    async def work() -> tuple[result_.Result, Path]:
        found = await result_.fetch(default_home(), run, to, progress_line("fetching"))
        return found, await result_.merge(default_home(), found) if merged else found.tuned

    found, folder = asyncio.run(work())
    _say(found)
    if merged and not found.adapter:
        typer.echo("This run trains every weight: there is no adapter to merge, the model is whole as it is.", err=True)
    typer.echo(str(folder))


@app.command("try")
def try_(
    words: Annotated[list[str], typer.Argument(metavar="[RUN] PROMPT", help="The text to go on with.")],
    tokens: Annotated[int, typer.Option(min=1, help="How many tokens to answer.")] = 40,
    chat: Annotated[bool, typer.Option("--chat", help="Ask it as a chat, with the model's own template.")] = False,
) -> None:
    """The base and the tuned model answer side by side."""
    from node import result as result_

    if len(words) > 2:
        raise OwnerMustAct('Put the prompt in quotes: potluck model try "Once upon a time"')
    run = words[0] if len(words) == 2 else ""
    try:
        found = asyncio.run(result_.fetch(default_home(), run, None, progress_line("fetching")))
    except TryLater as error:
        kept = result_.earlier(default_home(), run)
        if kept is None:
            raise
        say(f"{error.sentence}\nThis is what was fetched earlier: round {kept.round} of {kept.run}.", err=True)
        found = kept
    else:
        _say(found)
    arguments = ["--base", str(found.base), "--adapter" if found.adapter else "--model", str(found.tuned)]
    arguments += ["--prompt", words[-1], "--tokens", str(tokens)] + (["--chat"] if chat else [])
    say("loading the model (a minute the first time) ...", err=True)
    done = subprocess.run([sys.executable, "-m", "node.train.try_model", *arguments], check=False)
    raise typer.Exit(done.returncode)


@app.command()
def shrink(
    source: Annotated[str, typer.Argument(help="The larger model: a folder, a package, or hf:ORG/NAME@COMMIT.")],
    size: Annotated[str, typer.Argument(help="How large the new one is: potluck-125m, or a config.json.")],
    to: Annotated[Path, typer.Option(help="Where to put it.")],
    text: Annotated[Path | None, typer.Option(help="Show the loss at step 0 on this text.")] = None,
) -> None:
    """Start a smaller model from a larger one: some of its layers and of their width."""
    arguments = ["shrink", source, size, "--to", str(to), "--cache", str(cache())]
    done = subprocess.run(
        [sys.executable, "-m", "shared.models", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    said = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
    if said.get("fact") != "shrunk":
        raise OwnerMustAct(str(said.get("sentence", f"It failed (exit code {done.returncode}).")))
    typer.echo(said["folder"])
    if text is not None:
        folders = ["--small", said["folder"], "--large", said["larger"], "--text", str(text)]
        done = subprocess.run([sys.executable, "-m", "node.train.first_loss", *folders], text=True, check=False)
        raise typer.Exit(done.returncode)


def _say(found: result.Result) -> None:
    typer.echo(f"Round {found.round} of {found.rounds} of {found.run}:", err=True)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; exit codes as in node.cli."""
    return run_app(app, "potluck model", arguments)


if __name__ == "__main__":
    sys.exit(main())
