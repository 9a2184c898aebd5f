"""What a friend types, as real processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from node.store.database import connect
from shared import invite, job
from shared.codec import safe
from shared.errors import PeerMisbehaved
from shared.ids import RunId
from shared.job import Job, TensorSpec
from shared.result import save_for_others
from shared.rpc.v1 import node_pb2 as pb
from tests.node import homes
from tests.node.fake_coordinator import FakeCoordinator

REPOSITORY = Path(__file__).resolve().parents[2]
Potluck = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


def type_in(home: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`potluck WORDS` of the PC whose POTLUCK_HOME is `home`."""
    environment = {**os.environ, "POTLUCK_HOME": str(home), "POTLUCK_CACHE": str(home / "cache"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "shared.entry", *words],
        cwd=REPOSITORY, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def with_host(tmp_path: Path, act: Callable[[FakeCoordinator, Potluck], Awaitable[None]]) -> None:
    async def run() -> None:
        async with FakeCoordinator(tmp_path / "host").up() as host:

            async def potluck(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
                return await asyncio.to_thread(type_in, tmp_path / "ana", *words, stdin=stdin)

            await act(host, potluck)

    asyncio.run(run())


def word(host: FakeCoordinator) -> str:
    return invite.word(invite.fresh(host.authority.pin, time.time() + 600, [f"127.0.0.1:{host.enrol_port}"]))


def test_pausing_and_resuming_need_no_agent(tmp_path: Path) -> None:
    assert type_in(tmp_path, "node", "pause", "2h").stdout.startswith("Paused until")
    assert json.loads(type_in(tmp_path, "node", "status", "--json").stdout)["paused"] is True
    assert "30 min, 2h or until 21:30" in type_in(tmp_path, "node", "pause", "soon").stderr
    assert type_in(tmp_path, "node", "resume").returncode == 0
    assert json.loads(type_in(tmp_path, "node", "status", "--json").stdout)["paused"] is False


def test_a_pc_that_has_not_joined_is_told_what_to_type(tmp_path: Path) -> None:
    here = tmp_path / "wrong"
    for words in ("node run", "node status", "node leave", "node alone x", f"node data add {REPOSITORY} --name x",
                  "model get", "coordinator up"):  # fmt: skip
        done = type_in(here, *words.split())
        assert done.returncode == 1, words
        assert ("coordinator init" if "coordinator" in words else "potluck node join") in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert type_in(here, "node", "join", "hello").returncode == 1
    assert not here.exists(), "nothing is made in a wrong place"
    assert "Nothing has left this PC" in type_in(tmp_path, "node", "sent").stdout
    assert "potluck node data add" in type_in(tmp_path, "node", "data", "list").stdout
    assert json.loads(type_in(tmp_path, "node", "sent", "--json").stdout) == []


def test_a_home_that_is_a_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in ("node status", "node pause", "node sent", "coordinator init saturday"):
        done = type_in(tmp_path / "file", *words.split())
        if words != "node sent":
            assert done.returncode == 1, words
            assert done.stderr.startswith(f"{tmp_path / 'file'} is a file"), done.stderr
        assert len(done.stderr.splitlines()) <= 1


def test_a_word_that_is_no_invite_is_refused_in_words(tmp_path: Path) -> None:
    done = type_in(tmp_path, "node", "join", "-", stdin="hello")
    assert done.returncode == 1
    assert "pl1-" in done.stderr


@pytest.mark.slow
def test_joining_is_one_paste_and_leaving_forgets_the_key(tmp_path: Path) -> None:
    async def act(host: FakeCoordinator, potluck: Potluck) -> None:
        joined = await potluck("node", "join", "-", "--name", "ana", stdin=f"potluck node join {word(host)}\n")
        assert joined.returncode == 0, joined.stderr
        assert host.authority.words in joined.stdout
        assert "Joined 'saturday' as 'ana'" in joined.stdout
        assert max(map(len, joined.stdout.splitlines())) < 80, joined.stdout
        sent = json.loads((await potluck("node", "sent", "--json")).stdout)
        assert [line["what"] for line in sent] == ["hello", "join"]
        again = await potluck("node", "join", word(host))
        assert "member of the group 'saturday' already" in again.stderr
        left = await potluck("node", "leave")
        assert left.returncode == 0, left.stderr
        assert len(host.left) == 1
        assert not (tmp_path / "ana" / "node" / "pki" / "node.key").exists()
        assert "leave" in (await potluck("node", "sent")).stdout

    with_host(tmp_path, act)


@pytest.mark.slow
def test_leaving_a_host_that_is_gone_must_be_forced(tmp_path: Path) -> None:
    async def act(host: FakeCoordinator, potluck: Potluck) -> None:
        homes.joined(tmp_path / "ana" / "node", host)
        await host.stop()
        assert "--force" in (await potluck("node", "leave")).stderr
        assert (await potluck("node", "leave", "--force")).returncode == 0

    with_host(tmp_path, act)


@pytest.mark.slow
def test_the_doctor_names_the_hop_that_fails(tmp_path: Path) -> None:
    async def act(host: FakeCoordinator, potluck: Potluck) -> None:
        home = homes.joined(tmp_path / "ana" / "node", host)
        (home / "settings.json").write_text('{"trainer": "tests.node.trivial_trainer"}')

        async def hops() -> dict[str, bool | None]:
            checks = json.loads((await potluck("node", "doctor", "--json")).stdout)
            return {check["hop"]: check["fine"] for check in checks}

        well = await hops()
        assert [hop for hop, fine in well.items() if fine is False] == ["data"]
        await host.stop()
        ill = await hops()
        said = (await potluck("node", "doctor")).stdout
        assert f"port {host.enrol_port}: nothing listens there. Ask whether `potluck coordinator up` runs" in said
        assert "Errno" not in said
        assert ill["TCP"] is False
        assert ill["host"] is None
        (home / "settings.json").write_text('{"trainer": "no.such.trainer", "zero": 9}')
        checks = json.loads((await potluck("node", "doctor", "--json")).stdout)
        (settings,) = [check for check in checks if check["hop"] == "settings"]
        assert "zero cannot be 9" in settings["sentence"]

    with_host(tmp_path, act)


@pytest.mark.slow
def test_data_is_added_and_the_host_is_not_told_unless_the_owner_agrees(tmp_path: Path) -> None:
    async def act(host: FakeCoordinator, potluck: Potluck) -> None:
        homes.joined(tmp_path / "ana" / "node", host)
        notes = tmp_path / "notes"
        notes.mkdir()
        (notes / "one.txt").write_text("\n\n".join(f"Paragraph {n} about the sea." for n in range(40)))
        (notes / "photo.jpg").touch()
        added = await potluck("node", "data", "add", str(notes), "--name", "notes")
        assert added.returncode == 0, added.stderr
        assert "will not be told" in added.stdout
        assert "Skipped 1 nothing in it: photo.jpg." in added.stdout
        assert "is a file" in (await potluck("node", "data", "add", str(notes / "one.txt"), "--name", "one")).stderr
        again = await potluck("node", "data", "add", str(notes), "--name", "notes")
        assert "--replace" in again.stderr
        await potluck("node", "data", "add", str(notes), "--name", "notes", "--replace", "--tell-host")
        (row,) = json.loads((await potluck("node", "data", "list", "--json")).stdout)
        assert (row["name"], row["shared"], row["documents"]) == ("notes", True, 1)

    with_host(tmp_path, act)


def test_the_newest_model_is_laid_out_for_other_tools(tmp_path: Path) -> None:
    async def act(host: FakeCoordinator, potluck: Potluck) -> None:
        home = homes.joined(tmp_path / "ana" / "node", host)
        model, described = _result(host, tmp_path)
        host.models.append(
            pb.Model(run=described.run, round=2, rounds=3, job=host.blobs.put(job.dump(described)), model=model)
        )
        got = await potluck("model", "get")
        assert got.returncode == 0, got.stderr
        folder = Path(got.stdout.strip())
        assert folder == home / "result" / described.run / "adapter"
        adapter = json.loads((folder / "adapter_config.json").read_text())
        assert (adapter["r"], adapter["target_modules"]) == (1, ["q_proj"])
        header = (folder / "adapter_model.safetensors").read_bytes()[8:200]
        assert b'"format":"pt"' in header
        assert (folder.parent / "base" / "config.json").exists()
        unknown = await potluck("model", "get", "other-run")
        assert f"There is no run other-run. The host has: {described.run}" in unknown.stderr
        host.models[0].run = f"../../../{tmp_path.name}"
        elsewhere = await potluck("model", "get")
        assert elsewhere.returncode != 0, "a run names a folder on this PC"

    with_host(tmp_path, act)


def test_a_model_whose_header_lies_is_refused(tmp_path: Path) -> None:
    (tmp_path / "false").write_bytes(b"\xff" * 100)
    with pytest.raises(PeerMisbehaved, match="not a safetensors file"):
        save_for_others(tmp_path / "false", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _result(host: FakeCoordinator, folder: Path) -> tuple[str, Job]:
    import numpy as np

    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = (TensorSpec(f"{stem}.lora_A.weight", (1, 4)), TensorSpec(f"{stem}.lora_B.weight", (4, 1)))
    values = [(tensor.name, np.ones(tensor.shape, np.float32)) for tensor in tensors]
    safe.write(folder / "model", values, safe.layout(tensors, "fp32"))
    config = host.blobs.put(b'{"model_type": "llama"}')
    described = Job(
        run=RunId("saturday-notes-k3f9qa"), name="notes", rounds=3, base="tiny", files={"config.json": config}, lora=1,
        lora_alpha=2, tensors=tensors, sequence=8, batch=8, steps=4, seconds=None, lr=0.1, schedule="constant",
        warmup=0.0, betas=(0.9, 0.95), weight_decay=0.0, clip=1.0, update="difference", codec="fp32",
    )  # fmt: skip
    return host.blobs.adopt(folder / "model"), described


def test_the_record_can_be_read_while_the_agent_writes_it(tmp_path: Path) -> None:
    home = tmp_path / "node"
    database = connect(home / "state.db")
    database.execute("BEGIN")
    database.execute("INSERT INTO sent (at, what, bytes) VALUES (0, 'greeting', 1)")
    assert json.loads(type_in(tmp_path, "node", "sent", "--json").stdout) == []
    database.execute("COMMIT")
    assert len(json.loads(type_in(tmp_path, "node", "sent", "--json").stdout)) == 1


def test_an_argument_explains_itself(tmp_path: Path) -> None:
    said = type_in(tmp_path, "node", "join", "--help")
    assert "The word your" in said.stdout


def test_every_question_to_the_host_is_in_the_record(tmp_path: Path) -> None:
    async def act(host: FakeCoordinator, potluck: Potluck) -> None:
        home = homes.joined(tmp_path / "ana" / "node", host)
        (home / "settings.json").write_text('{"trainer": "tests.node.trivial_trainer"}')
        model, described = _result(host, tmp_path)
        host.models.append(
            pb.Model(run=described.run, round=2, rounds=3, job=host.blobs.put(job.dump(described)), model=model)
        )

        async def asked(*words: str) -> list[str]:
            before = len([*homes.sent(home).lines()])
            await potluck(*words)
            return [line.what for line in [*homes.sent(home).lines()][before:]]

        assert await asked("node", "doctor") == ["question"]
        assert await asked("model", "get") == ["question", "request", "request", "request"]
        assert await asked("model", "get") == ["question"]  # the files are here by now; `model try` asks the same way
        assert (await asked("node", "alone", described.run))[:1] == []  # no data: it does not even ask
        (home / "data" / "notes").mkdir(parents=True)
        (home / "data" / "notes" / "meta.json").write_text('{"name": "notes", "documents": 3}')
        work = home / "runs" / described.run / "alone" / "work"
        work.mkdir(parents=True)
        (work / "die-always").touch()
        assert (await asked("node", "alone", described.run))[:1] == ["question"]
        line = [line for line in homes.sent(home).lines() if line.what == "question"][-1]
        assert (line.run, line.details) == (described.run, "which models are there?")

    with_host(tmp_path, act)


def test_what_was_sent_fits_a_narrow_window_and_hides_nothing(tmp_path: Path) -> None:
    sent = homes.sent(tmp_path / "node")
    run = "the-longest-name-a-run-can-have-k3f9qa"
    sent.note("update", 19_500_000, run=run, round_number=12, digest="3fa8c912" + "0" * 56, details="37% of its steps")
    sent.note("greeting", 120, details="told of data: " + ", ".join(f"notes-{n}: {n} documents" for n in range(9)))
    environment = {**os.environ, "POTLUCK_HOME": str(tmp_path), "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "shared.entry", "node", "sent"],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout
    flowing = " ".join(done.stdout.split())
    assert "19.5 MB" in flowing
    for word in (f"{run}:", "37% of its steps", "3fa8c912", "notes-8: 8 documents"):
        assert word in flowing, done.stdout
