"""The coordinator's state as tables for people."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shared.errors import printable
from shared.rpc.v1 import operator_pb2

COLOURS = {
    "ready": "green", "uploaded": "green", "counted": "green", "committed": "green", "finished": "green",
    "training": "cyan", "evaluating": "cyan", "running": "cyan", "invited": "cyan",
    "paused": "yellow", "late": "yellow", "no data": "yellow", "abandoned": "yellow", "left": "yellow",
    "stopped": "yellow", "lost": "red", "broken": "red", "refused": "red", "revoked": "red", "failed": "red",
}  # fmt: skip
LATEST = 8  # rounds shown of each run


def show(reply: operator_pb2.StatusReply, parts: list[str]) -> None:
    Console().print(picture(reply, parts))


async def watch(replies: AsyncIterable[operator_pb2.StatusReply], parts: list[str]) -> None:
    """Redraw at every change until the stream ends."""
    with Live(console=Console(), auto_refresh=False) as live:
        async for reply in replies:
            live.update(picture(reply, parts), refresh=True)


def picture(reply: operator_pb2.StatusReply, parts: list[str]) -> RenderableType:
    made: list[RenderableType] = [
        Text.assemble(("group ", "dim"), (reply.cluster, "bold"), ("   host words ", "dim"), reply.words)
    ]
    if "nodes" in parts:
        made.append(nodes(reply))
    if "rounds" in parts:
        made.extend(run(entry) for entry in reply.runs)
        if not reply.runs:
            made.append(
                Text("No run yet. Start one: potluck coordinator start FILE (see deploy/examples/)", style="dim")
            )
    return Group(*made)


def nodes(reply: operator_pb2.StatusReply) -> RenderableType:
    if not reply.nodes and not reply.invites:
        return Text("Nobody has joined yet. Invite a friend: potluck coordinator invite NAME", style="dim")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("PC", "state", "why", "hardware", "data", "last heard"):
        table.add_column(column)
    for node in reply.nodes:
        data = ", ".join(f"{d.name}: {d.documents:,} documents, {d.tokens:,} tokens" for d in node.data) or "not told"
        table.add_row(
            Text.assemble(plain(node.name), " ", (node.node[:6], "dim")),
            coloured(node.state),
            plain(node.sentence),
            plain(node.hardware),
            plain(data),
            clock(node.last_seen_ms),
        )
    for invite in reply.invites:
        if invite.state == "open":
            table.add_row(plain(invite.name), coloured("invited"), f"until {clock(invite.expires_ms)}")
    return table


def run(entry: operator_pb2.RunStatus) -> RenderableType:
    head = Text.assemble("\n", (entry.run, "bold"), "  ", coloured(entry.state), "  ", plain(entry.sentence))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("round", "phase", "PC", "state", "why", "share", "tokens", "loss"):
        table.add_column(column, justify="right" if column in ("round", "share", "tokens", "loss") else "left")
    for round_ in entry.history[-LATEST:]:
        first = (f"{round_.number}/{entry.rounds}", coloured(round_.phase))
        if not round_.members:
            table.add_row(*first, "", "", plain(round_.sentence))
        for index, member in enumerate(round_.members):
            loss = member.metrics.get("loss")
            table.add_row(
                *(first if index == 0 else ("", "")),
                plain(member.name), coloured(member.state), plain(member.sentence), f"{member.share:.0%}",
                f"{member.tokens:,}" if member.tokens else "",
                f"{loss:.3f}" if loss is not None else "",
            )  # fmt: skip
        if summary := "  ".join(
            f"{name} {value:.3f}"
            for name, value in sorted(round_.metrics.items())
            if name in ("loss", "bits_per_byte", "perplexity")
        ):
            table.add_row("", "", "[dim]all[/dim]", "", f"[dim]{summary}[/dim]")
    parts: list[RenderableType] = [head, table]
    if entry.model_folder:
        parts.append(Text(f"model: {entry.model_folder}", style="dim"))
    return Group(*parts)


def coloured(state: str) -> Text:
    return plain(state, COLOURS.get(state, ""))


def plain(words: str, style: str = "") -> Text:
    """Words as they are: rich would read `[/x]` in a name as markup, and a terminal an escape."""
    return Text(printable(words), style=style)


def clock(milliseconds: int) -> str:
    """The local time; with the day when it was not today."""
    if not milliseconds:
        return "never"
    then = datetime.fromtimestamp(milliseconds / 1000).astimezone()
    today = datetime.now().astimezone().date() == then.date()
    return then.strftime("%H:%M:%S" if today else "%a %d %b %H:%M")
