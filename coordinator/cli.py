"""`potluck coordinator ...`: what the host types. Heavy imports wait until their command runs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coordinator import settings as settings_
from shared.commands import run_app
from shared.errors import OwnerMustAct
from shared.units import plural

if TYPE_CHECKING:
    from shared.rpc.v1 import operator_pb2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Host a group: invite friends, start runs, watch rounds.",
)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def init(
    cluster: Annotated[str, typer.Argument(help="What your group is called, for example: saturday")],
    port: Annotated[int, typer.Option(help="Friends reach this port and the next one.")] = settings_.PORT,
    address: Annotated[
        list[str] | None, typer.Option(help="Where friends reach this PC from outside (repeatable).")
    ] = None,
    bind: Annotated[str, typer.Option(help="Listen on this address only.")] = "",
) -> None:
    """Make this PC the group's coordinator: its keys and its settings."""
    from coordinator import addresses, pki
    from shared.ids import slug

    home = settings_.home()
    if (home / "settings.json").exists():
        raise OwnerMustAct(
            f"There is a coordinator in {home} already (group {settings_.load(home).cluster!r}). Nothing was changed."
        )
    if not 1 <= port <= 65534:
        raise OwnerMustAct("The port must be between 1 and 65534.")
    group = slug(cluster)
    if not any(letter in "abcdefghijklmnopqrstuvwxyz0123456789" for letter in cluster.lower()):
        raise OwnerMustAct("Give your group a name of a-z and 0-9, for example: potluck coordinator init saturday")
    outside = tuple(addresses.with_port(entry, port + 1) for entry in address or ())
    words = pki.lay_down(home / "pki", group)
    settings_.save(settings_.Settings(cluster=group, port=port, bind=bind, addresses=outside), home)
    if group != cluster:
        typer.echo(f"{cluster!r} became {group!r}: a group's name is made of a-z, 0-9 and dashes, 32 at most.")
    typer.echo(f"Group {group!r} is ready in {home}")
    typer.echo(f"  host words   {words}   (friends will see the same words)")
    typer.echo(f"  keep safe    {home / 'pki' / 'ca.key'}")
    typer.echo("               without it all must join again; with it anyone can be you")
    typer.echo("Next: potluck coordinator up")


@app.command()
def up(
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every fact as a line.")] = False,
) -> None:
    """Run the coordinator in this window until Ctrl-C."""
    from coordinator.main import run

    run(settings_.home(), as_json=as_json, verbose=verbose)


@app.command()
def invite(
    name: Annotated[str, typer.Argument(help="Whom it is for: ana")],
    valid: Annotated[str, typer.Option(help="How long it may be used: 48h, 30 min")] = "48h",
    address: Annotated[list[str] | None, typer.Option(help="One more address to put in (repeatable).")] = None,
) -> None:
    """Make one invite: one PC, one use."""
    from coordinator.calling import calling
    from shared.rpc.v1 import operator_pb2
    from shared.units import duration

    try:
        seconds = min(int(duration(valid)), 1 << 32)
    except ValueError as error:
        raise OwnerMustAct(str(error)) from error

    async def ask() -> operator_pb2.InviteReply:
        async with calling(settings_.home(), "making an invite") as host:
            request = operator_pb2.InviteRequest(name=name, valid_seconds=seconds, addresses=address or ())
            return await host.Invite(request, timeout=10)

    reply = asyncio.run(ask())
    if reply.warning:
        typer.echo(f"{reply.warning} Two PCs of one name are hard to tell apart.", err=True)
    if not sys.stdout.isatty():
        typer.echo(reply.word)
        return
    typer.echo(f"Send this to {name} (one PC, one use, until {local_time(reply.expires_ms)}):\n")
    typer.echo(f"  potluck node join {reply.word}\n")
    typer.echo(f"It tries {', '.join(reply.addresses)}")


@app.command()
def nodes(as_json: Json = False) -> None:
    """Who is in the group."""
    show(["nodes"], as_json=as_json, watch=False)


@app.command()
def revoke(node: Annotated[str, typer.Argument(help="The PC's name or id (see: potluck coordinator nodes)")]) -> None:
    """Remove a PC from the group, at once; an open invite of that name is withdrawn."""
    from coordinator.calling import calling
    from shared.rpc.v1 import operator_pb2

    async def ask() -> operator_pb2.RevokeReply:
        async with calling(settings_.home(), "removing a PC") as host:
            return await host.Revoke(operator_pb2.RevokeRequest(node=node), timeout=10)

    reply = asyncio.run(ask())
    if reply.node:
        typer.echo(
            f"{reply.name} ({reply.node}) is out; {plural(reply.streams_cut, 'open connection')} cut. "
            "Its key will not be let in again."
        )
    if reply.invites_withdrawn:
        typer.echo(f"{plural(reply.invites_withdrawn, 'open invite')} for {reply.name} withdrawn.")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A run file (YAML); see deploy/examples/")]) -> None:
    """Report every mistake in a run file at once."""
    from coordinator import checking, runfile
    from shared.units import duration_words

    spec = runfile.require(read_text(file), str(file), checking.further(file.resolve().parent))
    length = plural(spec["steps"], "step") if spec["steps"] else duration_words(spec["seconds"])
    recipe = f"LoRA rank {spec['recipe']['rank']}" if spec["recipe"]["kind"] == "lora" else "every weight"
    typer.echo(
        f"{file} is fine: {plural(spec['rounds'], 'round')} of {length}, {recipe} of {spec['model']}, "
        f"strategy {spec['strategy']['name']}"
    )


@app.command()
def start(
    file: Annotated[Path, typer.Argument(help="A run file (YAML); see deploy/examples/")],
    again: Annotated[bool, typer.Option("--again", help="Even while a run of that name is going.")] = False,
) -> None:
    """Start a run."""
    from coordinator import checking, runfile
    from coordinator.calling import calling
    from shared.rpc.v1 import operator_pb2

    text = read_text(file)
    runfile.require(text, str(file), checking.further(file.resolve().parent))

    async def ask() -> operator_pb2.StartReply:
        async with calling(settings_.home(), "starting a run") as host:
            request = operator_pb2.StartRequest(
                run_file=text, file_name=str(file), folder=str(file.resolve().parent), again=again
            )
            return await host.Start(request, timeout=10)

    typer.echo(f"Run {asyncio.run(ask()).run} started. Watch it: potluck coordinator rounds --watch")


@app.command()
def stop(
    run: Annotated[str, typer.Argument(help="Which run; may be left out when only one is going")] = "",
) -> None:
    """Stop a run. Its newest committed model is kept."""
    from coordinator.calling import calling
    from shared.rpc.v1 import operator_pb2

    async def ask() -> operator_pb2.StopReply:
        async with calling(settings_.home(), "stopping a run") as host:
            return await host.Stop(operator_pb2.StopRequest(run=run), timeout=10)

    typer.echo(f"Run {asyncio.run(ask()).run} is stopped; its newest model is kept.")


Watch = Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it until Ctrl-C.")]


@app.command()
def rounds(watch: Watch = False, as_json: Json = False) -> None:
    """Each round: who took part, what came of it."""
    show(["rounds"], as_json=as_json, watch=watch)


@app.command()
def status(watch: Watch = False, as_json: Json = False) -> None:
    """The group at a glance."""
    show(["nodes", "rounds"], as_json=as_json, watch=watch)


def show(parts: list[str], *, as_json: bool, watch: bool) -> None:
    """Print the coordinator's state: tables for people, JSON for programs."""
    from coordinator.calling import calling
    from shared.rpc.v1 import operator_pb2

    async def ask() -> None:
        async with calling(settings_.home(), "asking for the status") as host:
            if not watch:
                reply = await host.Status(operator_pb2.StatusRequest(), timeout=10)
                typer.echo(as_text(reply)) if as_json else pictures.show(reply, parts)
                return
            stream = host.Watch(operator_pb2.StatusRequest())
            if as_json:
                async for reply in stream:
                    typer.echo(as_text(reply))
            else:
                await pictures.watch(stream, parts)

    if not as_json:
        from coordinator import pictures
    asyncio.run(ask())


def as_text(reply: operator_pb2.StatusReply) -> str:
    from google.protobuf import json_format

    raw = json_format.MessageToDict(reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(raw, ensure_ascii=False)


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise OwnerMustAct(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OwnerMustAct(f"{file} cannot be read: it is not UTF-8 text.") from error


def local_time(milliseconds: int) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(milliseconds / 1000).strftime("%a %d %b %H:%M")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 fine, 1 said in words, 2 mistyped, 130 Ctrl-C."""
    return run_app(app, "potluck coordinator", arguments)


if __name__ == "__main__":
    sys.exit(main())
