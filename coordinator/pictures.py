"""The coordinator's state as tables for people."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shared.clock import nearby
from shared.errors import printable
from shared.rpc.v1 import operator_pb2
from shared.units import plural

COLOURS = {
    "ready": "green", "uploaded": "green", "counted": "green", "committed": "green", "finished": "green",
    "training": "cyan", "measuring": "cyan", "evaluating": "cyan", "running": "cyan", "invited": "cyan",
    "paused": "yellow", "late": "yellow", "no data": "yellow", "abandoned": "yellow", "left": "yellow",
    "stopped": "yellow", "lost": "red", "broken": "red", "refused": "red", "revoked": "red", "failed": "red",
}  # fmt: skip
LATEST = 8  # rounds shown of each run
LONGEST = 24  # characters of a PC's name
LOSSES = ("train_loss", "held_out_loss")
LEGEND = (
    "done: the part of its round's training that a PC did",
    "train loss: on the text a PC learnt from; held-out loss: the new model's, on text it never learnt from",
)
GOING = ("preparing", "running")


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
        made.extend(runs(reply.runs))
    return Group(*made)


def nodes(reply: operator_pb2.StatusReply) -> RenderableType:
    if not reply.nodes and not reply.invites:
        return Text("Nobody has joined yet. Invite a friend: potluck coordinator invite NAME", style="dim")
    table = _table(("PC", "state", "heard", "about it"))
    for node in reply.nodes:
        about = [plain(node.sentence), plain(node.hardware, "dim"), *(plain(_data(data), "dim") for data in node.data)]
        table.add_row(
            Text.assemble(plain(node.name), " ", (node.node[:6], "dim")),
            coloured(node.state),
            clock(node.last_seen_ms, reply.clock_ms),
            Text("\n").join(line for line in about if line),
        )
    for invite in reply.invites:
        if invite.state == "open":
            until = f"to be used until {clock(invite.expires_ms, reply.clock_ms)}"
            table.add_row(plain(invite.name), coloured("invited"), "", until)
    return table


def runs(entries: Sequence[operator_pb2.RunStatus]) -> list[RenderableType]:
    """What goes on, or what ended last, with its rounds; then a line for each that ended before, the newest first."""
    if not entries:
        return [Text("No run yet. Start one: potluck coordinator start FILE (see deploy/examples/)", style="dim")]
    going = [entry for entry in entries if entry.state in GOING]
    ended = [entry for entry in reversed(entries) if entry.state not in GOING]
    whole = going or [entry for entry in ended if entry.history][:1]
    lines = [_head(entry) for entry in ended if entry not in whole]
    shown = any(round_.members for entry in whole for round_ in entry.history[-LATEST:])
    legend = [Text(), *(Text(line, style="dim") for line in LEGEND)] if shown else []
    return [*(run(entry) for entry in whole), *([Text()] if lines else []), *lines, *legend]


def run(entry: operator_pb2.RunStatus) -> RenderableType:
    rounds = entry.history[-LATEST:]
    peopled = any(round_.members for round_ in rounds)
    table = _table(("round", "state", *(("done", "tokens", "train\nloss", "held-out\nloss") if peopled else ()), "why"))
    for round_ in rounds:
        figures = ("", "", *_losses(round_.metrics)) if peopled else ()
        table.add_row(plain(str(round_.number)), coloured(round_.phase), *figures, plain(_outcome(round_)))
        for member in round_.members:
            table.add_row(
                plain(f"  {member.name}"), coloured(member.state), f"{member.share:.0%}",
                f"{member.tokens:,}" if member.tokens else "", *_losses(member.metrics), plain(member.sentence),
            )  # fmt: skip
    parts: list[RenderableType] = [Text(), _head(entry), *([table] if rounds else [])]
    if entry.model_folder:
        parts.append(Text(f"model: {entry.model_folder}", style="dim", overflow="fold"))
    return Group(*parts)


def _outcome(round_: operator_pb2.RoundStatus) -> str:
    figures = (("perplexity", "perplexity"), ("bits_per_byte", "bits a byte"))
    told = [f"{words} {round_.metrics[name]:.3f}" for name, words in figures if name in round_.metrics]
    return ", ".join([*([round_.sentence] if round_.sentence else []), *told])


def _head(entry: operator_pb2.RunStatus) -> RenderableType:
    return Text.assemble((entry.run, "bold"), "  ", coloured(entry.state), "  ", plain(entry.sentence))


def _table(columns: Sequence[str]) -> Table:
    """The last column takes what room is left, over several lines if need be."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        figures = column in ("done", "tokens") or column.endswith("loss")
        table.add_column(
            column, justify="right" if figures else "left", no_wrap=column != columns[-1],
            max_width=LONGEST if column in ("PC", "round") else None,
        )  # fmt: skip
    return table


def _data(data: operator_pb2.DataCountStatus) -> str:
    return f"{data.name}: {plural(data.documents, 'document')}, {plural(data.tokens, 'token')}"


def _losses(metrics: Mapping[str, float]) -> list[str]:
    return [f"{metrics[name]:.3f}" if name in metrics else "" for name in LOSSES]


def coloured(state: str) -> Text:
    return plain(state, COLOURS.get(state, ""))


def plain(words: str, style: str = "") -> Text:
    """Words as they are: rich would read `[/x]` in a name as markup, and a terminal an escape."""
    return Text(printable(words), style=style)


def clock(milliseconds: int, now: int) -> str:
    """A short local time."""
    return nearby(milliseconds / 1000, now / 1000) if milliseconds else "never"
