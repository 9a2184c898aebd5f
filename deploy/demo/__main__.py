"""The main job on loopback as separate real processes: READ TOP TO BOTTOM.

One coordinator and three nodes, each with its own home folder; each friend first trains alone on their own text (the
baseline at its best), then all train together; the table compares both on text that nobody trained on.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.demo import table, texts
from deploy.demo.friends import DemoFailed, Friend, Host, command, free_ports, running, wait_for
from deploy.demo.table import Outcome

HERE = Path(__file__).resolve().parents[2]
RUN_FILE = HERE / "deploy" / "examples" / "demo.yaml"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make demo", description=__doc__)
    arguments.add_argument(
        "--controls",
        action="store_true",
        help="also: three PCs on one friend's own text only (takes three times as long)",
    )
    arguments.add_argument("--folder", type=Path, default=HERE / "demo", help="where everything is put")
    chosen = arguments.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        demo(console, chosen.folder.resolve(), controls=chosen.controls)
    except DemoFailed as failed:
        console.print(f"[red]The demo stopped:[/red] {failed}", soft_wrap=True)
        console.print(f"Logs are in {chosen.folder}/*/{{coordinator,node}}.log and */log/", soft_wrap=True)
        return 1
    return 0


def demo(console: Console, folder: Path, *, controls: bool) -> None:
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    collections, hold_out = texts.collect(folder / "texts")
    outcomes, best, model, run = evening(console, folder, collections, hold_out, baseline=True)
    if controls:
        for index, (name, collection) in enumerate(collections.items()):
            console.print(f"\n[bold]Control[/bold]: three PCs on {name}'s text only")
            thirds = texts.thirds(collection, folder / f"control-{name}" / "texts", hold_out)
            own, _, _, _ = evening(console, folder / f"control-{name}", thirds, hold_out, baseline=False)
            outcomes[index] = replace(outcomes[index], own=own[0].together)
    seconds = time.monotonic() - began
    console.print()
    table.show(console, outcomes, best)
    console.print(f"\nThe model: {model}", soft_wrap=True)
    first = next(iter(collections))
    prompt = texts.PROMPTS.get(first, "The")
    console.print(
        f'Try it: POTLUCK_HOME={folder / first} {HERE}/.venv/bin/potluck model try {run} "{prompt}"', soft_wrap=True
    )
    console.print(f"Losses as curves: {HERE}/.venv/bin/tensorboard --logdir {folder}", soft_wrap=True)
    console.print(f"{seconds:.0f} seconds in all.")
    result = folder / "result.json"
    table.write_result(result, outcomes, seconds, model)
    print(result)


def evening(
    console: Console, folder: Path, collections: dict[str, Path], hold_out: list[str], *, baseline: bool
) -> tuple[list[Outcome], dict[str, str], str, str]:
    """One group from nothing to its model: (figures, which baseline won, model folder, run name)."""
    host = Host(folder / "host")
    friends = [Friend(name, folder / name) for name in collections]
    with ExitStack() as stack:
        console.print(
            f"host  $ potluck coordinator init demo && potluck coordinator up   ({folder / 'host'})", soft_wrap=True
        )
        host.potluck("init", "demo", "--bind", "127.0.0.1", "--port", str(free_ports()))
        coordinator = stack.enter_context(running(host.home, ["coordinator", "up"]))
        wait_for("the coordinator", lambda: quiet(host.status), [coordinator], 60)
        for friend in friends:
            word = host.potluck("invite", friend.name).strip()
            said = friend.potluck("join", "-", "--name", friend.name, stdin=word)
            friend.choose(threads=1)
            console.print(f"{friend.name:5} $ potluck node join {word[:12]}...   {first_words(said)}", soft_wrap=True)
        console.print("host  $ potluck coordinator start deploy/examples/demo.yaml")
        host.potluck("start", str(RUN_FILE))
        with ThreadPoolExecutor(len(friends)) as pool:
            counted = list(pool.map(lambda friend: add_text(friend, collections[friend.name], hold_out), friends))
        for friend, counts in zip(friends, counted, strict=True):
            console.print(
                f"{friend.name:5} $ potluck node data add texts/{friend.name}   {counts['documents']:,} documents, "
                f"{counts['bytes']:,} bytes, {counts['tokens']:,} tokens, {counts['held_out_documents']:,} held out",
                soft_wrap=True,
            )
        run = wait_for("the run to be prepared", lambda: prepared(host), [coordinator])
        alone = train_alone(console, friends, run) if baseline else {}
        for friend in friends:
            friend.choose(engine="deepspeed", zero=3, threads=1)
        nodes = [stack.enter_context(running(friend.home, ["node", "run"])) for friend in friends]
        status = watch_rounds(console, host, run, [coordinator, *nodes])
        command(friends[0].home, ["node.model_cli", "get"], "")  # so that it can be tried after everybody went home
    mine = next(entry for entry in status["runs"] if entry["run"] == run)
    last = {member["name"]: member for member in mine["history"][-1]["members"]}
    traffic = {node["name"]: node for node in status["nodes"]}
    outcomes = []
    for friend in friends:
        if "bits_per_byte" not in last[friend.name]["metrics"]:
            raise DemoFailed(f"{friend.name} did not measure the last model: {last[friend.name]['sentence']}")
        together = last[friend.name]["metrics"]["bits_per_byte"]
        figures: dict[str, Any] = alone.get(friend.name, {"before": together, "alone": together})
        sent, received = int(traffic[friend.name]["bytes_received"]), int(traffic[friend.name]["bytes_sent"])
        outcomes.append(Outcome(friend.name, figures["before"], figures["alone"], together, sent, received))
    return outcomes, {name: figures["best"] for name, figures in alone.items()}, mine["model_folder"], run


def add_text(friend: Friend, collection: Path, hold_out: list[str]) -> dict[str, Any]:
    """Take in one friend's text; its counts."""
    globs = [part for glob in hold_out for part in ("--hold-out", glob)]
    friend.potluck("data", "add", str(collection), "--name", friend.name, "--no-tell-host", *globs)
    return next(counts for counts in friend.ask("data", "list") if counts["name"] == friend.name)


def train_alone(console: Console, friends: list[Friend], run: str) -> dict[str, dict[str, Any]]:
    """Each friend on their own text only, all at the same time, as they would in the group."""
    console.print("\nFirst everybody alone (same steps, same schedule, the better of final and averaged weights) ...")
    with console.status("training alone"), ThreadPoolExecutor(len(friends)) as pool:
        answers = list(pool.map(lambda friend: friend.ask("alone", run), friends))
    found = {}
    for friend, answer in zip(friends, answers, strict=True):
        best = answer["best"]
        found[friend.name] = {
            "before": answer["before"]["bits_per_byte"],
            "alone": answer[best]["bits_per_byte"],
            "best": best,
        }
        before, alone = found[friend.name]["before"], found[friend.name]["alone"]
        console.print(f"  {friend.name}: {before:.3f} -> {alone:.3f} bits per byte ({best} weights)")
    return found


def watch_rounds(console: Console, host: Host, run: str, processes: list[Any]) -> dict[str, Any]:
    """Say what happens until the run is over."""
    console.print("\nNow together ...")
    said: set[str] = set()

    def finished() -> dict[str, Any] | None:
        status = host.status()
        mine = next(entry for entry in status["runs"] if entry["run"] == run)
        for entry in mine["history"]:
            phase = f"{entry['number']} {entry['phase']}"
            if phase not in said:
                said.add(phase)
                console.print(f"  round {entry['number']}: {entry['phase']:11} {entry['sentence']}", soft_wrap=True)
        if mine["state"] in ("failed", "stopped"):
            raise DemoFailed(f"The run {mine['state']}: {mine['sentence']}")
        return status if mine["state"] == "finished" else None

    found: dict[str, Any] = wait_for("the run to finish", finished, processes, 900)
    return found


def prepared(host: Host) -> str | None:
    for entry in host.status()["runs"]:
        if entry["state"] == "failed":
            raise DemoFailed(f"The run failed: {entry['sentence']}")
        if entry["state"] == "running":
            return str(entry["run"])
    return None


def quiet(ask: Any) -> Any:
    try:
        return ask()
    except DemoFailed:
        return None


def first_words(said: str) -> str:
    """The line about the host's words, for the demo's transcript."""
    return next((" ".join(line.split()) for line in said.splitlines() if "host" in line), "")


if __name__ == "__main__":
    sys.exit(main())
