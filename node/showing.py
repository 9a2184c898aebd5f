"""Tables for people, with rich."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node import membership
from node import status as status_
from node.home import collections
from node.logic.report import for_another_group
from node.owner import read as read_wishes
from node.owner import seconds
from node.sent import Sent
from node.store.database import connect
from shared.disk import is_locked
from shared.units import size_words

if TYPE_CHECKING:
    from rich.console import Console

Words = dict[str, Any]
COUNTED, UNCOUNTED = ("documents", "bytes", "tokens"), "not yet"


def status(home: Path) -> Words:
    """status.json, the lock and the owner's wishes in one; `running` says whether an agent is alive."""
    words = status_.read(home)
    running = is_locked(home)
    wishes = read_wishes(home)
    member = membership.load(home) if membership.is_member(home) else None
    if not running:
        words |= {"pid": None, "host": None, "doing": "stopped", "trouble": ""}
        words["sentence"] = words.get("removed") or "The agent is not running: `potluck node run`."
    if member is None:
        words["sentence"] = membership.NOT_JOINED
    else:
        words |= {"name": member.name, "group": member.cluster}
    words |= {"running": running, "joined": member is not None, "paused": wishes.paused, "since": wishes.since}
    return words | {"until": wishes.until, "home": str(home), "data": list(collections(home))}


def show_status(words: Words) -> None:
    from rich.table import Table

    shown = console()
    shown.print(words["sentence"])
    if words["paused"] and not words["running"]:
        shown.print(f"Paused by you since {_clock(words['since'])}.")
    if words.get("host"):
        shown.print(f"Connected to {words['host']}.")
    elif words["running"]:
        shown.print(f"Not connected: {words['trouble'] or 'dialling'}")
    text = ", ".join(words["data"]) or "none yet: potluck node data add FOLDER --name NAME"
    shown.print(f"{words['name']} in the group {words['group']}; text to train on: {text}")
    for line in watching(words):
        shown.print(line)
    if words.get("note"):
        shown.print(words["note"])
    updates = words.get("updates") or []
    held_out = {(one["run"], one["round"]): one["metrics"].get("loss") for one in words.get("evaluations") or []}
    for run in dict.fromkeys(update["run"] for update in updates):
        shown.print(f"\n{run}", highlight=False, soft_wrap=True)
        table = Table("round", "done", "tokens", "size", "train\nloss", "held-out\nloss", "verdict", box=None)
        for update in (update for update in updates if update["run"] == run):
            verdict = update["verdict"] or "not sent yet"
            table.add_row(
                str(update["round"]),
                f"{update['share']:.0%}",
                f"{update['tokens']:,}",
                size_words(update["bytes"]),
                _loss(update["metrics"].get("loss")),
                _loss(held_out.get((run, update["round"]))),
                f"{verdict}: {update['sentence']}" if update["sentence"] else verdict,
            )
        shown.print(table)


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3f}"


def watching(words: Words) -> list[str]:
    """How the training under way does, in two lines; nothing when none is."""
    if words.get("doing") != "training" or not words.get("step"):
        return []
    metrics, loss = words.get("metrics") or {}, words["loss"]
    ill = {
        "vanishing": " (vanishing: little is learnt)",
        "exploding": " (exploding: the learning rate may be too high)",
    }.get(words.get("gradient", ""), "")
    learning = [f"loss {loss:.3f}", f"perplexity {math.exp(min(loss, 50.0)):,.1f}"]
    if "gradient_norm" in metrics:
        learning.append(f"gradient {metrics['gradient_norm']:.2g}{ill}")
    if "learning_rate" in metrics:
        learning.append(f"learning rate {metrics['learning_rate']:.1e}")
    machine = [f"{words['tokens_per_second']:,.0f} tokens/s"]
    if "memory_bytes" in metrics:
        machine.append(f"{size_words(int(metrics['memory_bytes']))} of memory")
    if "celsius" in metrics:
        machine.append(f"{metrics['celsius']:.0f} °C")
    if "watts" in metrics:
        machine.append(f"{metrics['watts']:.0f} W")
    if skipped := int(metrics.get("skipped", 0)):
        machine.append(f"{skipped} {'step' if skipped == 1 else 'steps'} skipped")
    return [", ".join(learning), ", ".join(machine)]


def sent_lines(home: Path) -> list[Words]:
    if not (home / "state.db").exists():
        return []
    connection = connect(home / "state.db")
    try:
        return [asdict(line) for line in Sent(connection).lines()]
    finally:
        connection.close()


def show_sent(lines: list[Words]) -> None:
    """Fits 80 columns: long details go on below, nothing is cut but digests, whose beginnings name a file well."""
    from rich.table import Table

    shown = console()
    if not lines:
        shown.print("Nothing has left this PC through Potluck yet.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("when", "what", "size"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "size" else "left")
    table.add_column("details", overflow="fold")
    for line in lines:
        table.add_row(_day(line["at"]), line["what"], size_words(line["bytes"]), sent_details(line))
    shown.print(table)
    total = sum(line["bytes"] for line in lines)
    shown.print(f"{size_words(total)} in all, not counting encryption; nothing else ever left this PC through Potluck.")


def sent_details(line: Words) -> str:
    """ "round 3 of saturday-notes-k3f9qa: 100% of its steps, file 3fa8c912"."""
    subject = f"round {line['round']} of {line['run']}" if line["round"] else line["run"]
    file = f"file {line['digest'][:8]}" if line["digest"] else ""
    rest = ", ".join(part for part in (line["details"], file) if part)
    return f"{subject}: {rest}" if subject and rest else subject or rest


def _day(at: float) -> str:
    """ "24 Nov 21:04", on this PC's clock; with its year when it is another one."""
    when = datetime.fromtimestamp(at)
    year = f" {when.year}" if when.year != datetime.now().year else ""
    return f"{when.day:>2} {when:%b}{year} {when:%H:%M}"


def show_collections(rows: list[Words]) -> None:
    from rich.table import Table

    if not rows:
        console().print("No data yet: potluck node data add FOLDER --name NAME")
        return
    table = Table("name", "documents", "bytes", "tokens", "held out", "host is told", box=None)
    for row in rows:
        counts = [UNCOUNTED if row.get(key, 0) is None else f"{row.get(key, 0):,}" for key in COUNTED]
        table.add_row(row["name"], *counts, held_out(row), "yes" if row["shared"] else "no")
    console().print(table)
    if any(row.get("conversations") for row in rows):
        console().print("Of chats to train on, tokens are those of the replies: only they are learnt.")
    if any(row.get("tokens", 0) is None for row in rows):
        console().print("Tokens that are not counted yet are when a run first trains on them.")
    for row in rows:
        if not row["usable"]:
            console().print(for_another_group(row["name"]))


def held_out(counts: Words) -> str:
    """The part of the text that is never trained on."""
    share = 100 * counts.get("held_out_bytes", 0) / max(1, counts.get("bytes", 0))
    return "nothing" if not share else "less than 1 %" if share < 1 else f"{share:.0f} %"


def console() -> Console:
    """Words as they are: rich would take `[fd00::2]` for markup and `:key:` for a picture."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def _clock(moment: str | None) -> str:
    return datetime.fromtimestamp(seconds(moment)).strftime("%a %H:%M") if moment else "?"
