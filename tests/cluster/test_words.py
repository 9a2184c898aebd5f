"""What people read when something is wrong: one sentence with cause and remedy, and never a program's own words."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from socket import socket

import pytest
from grpc.aio import AioRpcError

from coordinator.calling import calling
from coordinator.ledger import load
from coordinator.logic.members import InviteMade
from coordinator.store.sqlite import SqliteStore
from shared import invite
from shared.authority import CertificateAuthority
from shared.disk import HomeLock
from shared.rpc.v1 import operator_pb2
from tests.cluster.group import Group, Said

pytestmark = pytest.mark.slow

RUN_FILE = "run: again\nmodel: {model}\nrecipe: full\nrounds: 1\nround_length: 2 steps\n"
MACHINE = re.compile(r"UNAVAILABLE|Socket closed|Traceback|grpc|PERMISSION_DENIED|Errno|Error\b", re.IGNORECASE)


def sentence(said: Said) -> str:
    """The one line on stderr of a command that failed in words."""
    assert said.code == 1, said
    assert not MACHINE.search(said.err), said.err
    (line,) = said.err.strip().splitlines()
    return line


def word(group: Group, *options: str) -> str:
    return group.host.potluck("invite", "ana", *options).strip()


def join(group: Group, pasted: str, who: str = "ana") -> Said:
    return group.say(group.folder / who, "node", "join", "-", "--name", who, stdin=pasted)


@pytest.fixture
def up(group: Group) -> Group:
    group.up()
    return group


def test_an_invite_used_by_another_pc_says_when_and_by_whom(up: Group) -> None:
    pasted = word(up)
    assert join(up, pasted).code == 0
    said = sentence(join(up, pasted, "eve"))
    assert "was used on" in said
    assert "(ana)" in said
    assert "Ask for a new one" in said


def test_a_pc_that_has_joined_keeps_its_place_when_its_word_is_pasted_again(up: Group) -> None:
    pasted = word(up)
    assert join(up, pasted).code == 0
    said = sentence(join(up, pasted))
    assert "is a member of the group 'testing' already" in said
    assert [node["name"] for node in up.status()["nodes"]] == ["ana"]


def test_an_invite_that_has_expired_says_until_when_it_was_good(group: Group) -> None:
    pin = CertificateAuthority.load(group.host.home / "coordinator" / "pki").pin
    made = invite.fresh(pin, time.time() - 3600, (f"127.0.0.1:{group.port + 1}",))
    asyncio.run(make_yesterday(group.host.home / "coordinator", made))
    group.up()
    assert [entry["state"] for entry in group.status()["invites"]] == ["expired"]
    said = sentence(join(group, invite.word(made)))
    assert "was good until" in said
    assert "new one" in said


def test_a_withdrawn_invite_lets_nobody_in_and_says_so(up: Group) -> None:
    pasted = word(up)
    again = up.say(up.host.home, "coordinator", "invite", "ana")
    assert again.err.startswith("There is an open invite for ana already.")
    assert "2 open invites for ana withdrawn" in up.host.potluck("revoke", "ana")
    assert "The host withdrew this invite on" in sentence(join(up, pasted))
    assert up.status()["nodes"] == []


def test_a_length_of_time_that_is_none_is_told_in_words(up: Group) -> None:
    said = sentence(up.say(up.host.home, "coordinator", "invite", "cy", "--valid", "soon"))
    assert said == '"soon" is not a length of time. Write a number and a unit, such as 90s, 10 min or 2h.'
    said = sentence(up.say(up.host.home, "coordinator", "invite", "cy", "--valid", "99999999 weeks"))
    assert said == "An invite is valid for a minute to thirty days."


def test_a_group_needs_a_name_and_hears_when_it_is_changed(group: Group) -> None:
    new = group.folder / "new"
    assert "Give your group a name" in sentence(group.say(new, "coordinator", "init", ""))
    assert "'a b/ü' became 'a-b'" in group.say(new, "coordinator", "init", "a b/ü").out


def test_a_cut_word_says_that_something_is_missing(up: Group) -> None:
    pasted = word(up)
    said = sentence(join(up, pasted[:-7]))
    assert "cut or mistyped" in said
    assert not (up.folder / "ana" / "node" / "member.json").exists()


def test_a_word_with_a_slip_in_it_is_noticed_before_anything_is_sent(up: Group) -> None:
    pasted = word(up)
    slip = pasted[:40] + ("a" if pasted[40] != "a" else "b") + pasted[41:]
    sentence(join(up, slip))
    assert [entry["state"] for entry in up.status()["invites"]] == ["open"]
    lines = json.loads(up.say(up.folder / "ana", "node", "sent", "--json").out)
    assert lines == []


def test_an_address_where_another_host_answers_is_not_given_the_secret(up: Group, tmp_path: Path) -> None:
    with ExitStack() as stack:
        other = Group(tmp_path / "other", stack)
        other.up()
        made = invite.parse(word(up))
        swapped = invite.word(replace(made, addresses=(f"127.0.0.1:{other.port + 1}",)))
        said = sentence(join(up, swapped))
        assert "another computer answers there" in said
        assert "Nothing was sent" in said
        assert f"127.0.0.1:{other.port + 1}" in said
        assert [entry["state"] for entry in up.status()["invites"]] == ["open"]
        assert other.status()["nodes"] == []


def test_a_revoked_pc_that_runs_again_is_told_so_and_stops(up: Group) -> None:
    up.join("ana")
    up.host.potluck("revoke", "ana")
    said = up.say(up.folder / "ana", "node", "run")
    assert said.code == 3
    assert "The host removed this PC (ana) from the group on" in said.err
    assert "join with a new invite" in said.err
    assert not MACHINE.search(said.err), said.err


def test_a_host_whose_coordinator_does_not_run_is_told_how_to_start_it(group: Group) -> None:
    for command in (["status"], ["invite", "ana"], ["rounds"], ["nodes"], ["revoke", "ana"], ["stop"]):
        said = sentence(group.say(group.host.home, "coordinator", *command))
        assert said == "The coordinator is not running. Start it in another window: potluck coordinator up"


def test_a_friend_whose_host_is_away_is_told_so(up: Group) -> None:
    pasted = word(up)
    up.join("bo")
    up.kill("host")
    said = sentence(join(up, pasted))
    assert "potluck coordinator up" in said
    assert "coordinator up" in sentence(up.say(up.folder / "bo", "model", "get", "some-run"))
    assert "--force" in sentence(up.say(up.folder / "bo", "node", "leave"))
    up.run("bo")
    up.until("the agent to say it", lambda: "not-connected" in up.log("bo"))
    up.until("the owner to see it", lambda: "nothing listens there" in up.doing("bo").get("trouble", ""))
    assert not MACHINE.search(up.log("bo")), up.log("bo")


def test_a_taken_port_names_the_port(group: Group) -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", group.port))
        taken.listen()
        said = sentence(group.say(group.host.home, "coordinator", "up"))
    assert f"Port {group.port} is taken" in said
    assert str(group.host.home / "coordinator" / "settings.json") in said
    assert "init NAME --port" in said


def test_a_home_in_use_is_not_used_twice(up: Group) -> None:
    said = sentence(up.say(up.host.home, "coordinator", "up"))
    assert "in use by another potluck process" in said
    up.join("ana")
    up.run("ana")
    up.until("ana", lambda: up.node("ana")["state"] == "ready")
    said = sentence(up.say(up.folder / "ana", "node", "run"))
    assert "in use by another potluck process" in said


def test_a_home_without_a_group_says_what_to_do(group: Group) -> None:
    assert "potluck coordinator init" in sentence(group.say(group.folder / "nobody", "coordinator", "up"))
    for command in (["node", "run"], ["node", "leave"], ["model", "get", "a-run"]):
        assert "join" in sentence(group.say(group.folder / "nobody", *command)), command
    assert "already" in sentence(group.say(group.host.home, "coordinator", "init", "again"))


def test_a_pc_without_data_is_not_waited_for_and_says_why(up: Group) -> None:
    up.join("ana")
    (up.folder / "ana" / "node" / "data" / "notes" / "meta.json").unlink()
    up.run("ana")
    node = up.until("ana", lambda: next((n for n in up.status()["nodes"] if n["state"] == "no data"), None))
    assert "potluck node data add" in node["sentence"]


def test_an_empty_folder_of_data_is_told_so(up: Group) -> None:
    up.join("ana")
    (up.folder / "empty").mkdir()
    for folder in ("empty", "not-there"):
        said = sentence(up.say(up.folder / "ana", "node", "data", "add", str(up.folder / folder), "--name", "more"))
        assert folder in said


def test_every_mistake_in_a_run_file_is_told_with_its_line(up: Group) -> None:
    file = up.folder / "bad.yaml"
    file.write_text("run: x\nmodel: potluck-tiny\nrecipe: half\nrounds: 0\nround_lenght: 3 steps\nquorum: many\n")
    for command in ("check", "start"):
        said = up.say(up.host.home, "coordinator", command, str(file))
        assert said.code == 1
        first, *mistakes = said.err.strip().splitlines()
        assert "5 mistakes" in first
        assert [re.match(r"  line (\d+): (\S+):", line)[2] for line in mistakes] == [  # type: ignore[index]
            "round_length", "recipe", "rounds", "round_lenght", "quorum",
        ]  # fmt: skip
        assert "did you mean `round_length`?" in said.err
        assert not MACHINE.search(said.err)
    assert up.status()["runs"] == []
    assert "cannot be read" in sentence(up.say(up.host.home, "coordinator", "start", str(up.folder / "none.yaml")))


def test_an_unknown_run_or_pc_is_named(up: Group) -> None:
    up.join("ana")
    assert "No run is under way" in sentence(up.say(up.host.home, "coordinator", "stop", "sunday"))
    assert "'cy'" in sentence(up.say(up.host.home, "coordinator", "revoke", "cy"))
    assert "no run has been started" in sentence(up.say(up.folder / "ana", "model", "get", "sunday"))
    run = up.start()
    up.until("the run", lambda: up.entry(run)["state"] == "running")
    said = sentence(up.say(up.folder / "ana", "model", "get", "sunday"))
    assert "sunday" in said
    assert run in said


def test_a_model_that_does_not_exist_and_a_wrong_parameter_are_told_before_anything_starts(up: Group) -> None:
    file = up.folder / "far.yaml"
    file.write_text(RUN_FILE.format(model="no-such-model") + "strategy: {name: DiLoCo, outer: maybe}\n")
    for command in ("check", "start"):
        said = up.say(up.host.home, "coordinator", command, str(file))
        assert said.code == 1
        _, model, strategy = said.err.strip().splitlines()
        assert model.startswith("  line 2: model: There is no model no-such-model")
        assert strategy.startswith("  line 6: strategy.outer: `outer` is 'maybe'. Write auto")
    assert up.status()["runs"] == []


def test_init_fits_eighty_columns(tmp_path: Path) -> None:
    """But for the paths, which are as long as they are."""
    with ExitStack() as stack:
        said = Group(tmp_path, stack).say(tmp_path / "new", "coordinator", "init", "saturday-with-a-long-name")
    assert said.code == 0
    assert [line for line in said.out.replace(str(tmp_path), "~").splitlines() if len(line) > 80] == []


def test_a_run_that_is_going_is_not_started_twice_by_mistake(up: Group) -> None:
    file = up.folder / "again.yaml"
    file.write_text(RUN_FILE.format(model="potluck-tiny"))
    assert up.say(up.host.home, "coordinator", "start", str(file)).code == 0
    (run,) = [entry["run"] for entry in up.status()["runs"]]
    said = sentence(up.say(up.host.home, "coordinator", "start", str(file)))
    assert f"is already going ({run}: " in said
    assert f"coordinator start {file} --again" in said
    assert up.say(up.host.home, "coordinator", "start", str(file), "--again").code == 0
    for entry in up.status()["runs"]:
        assert up.say(up.host.home, "coordinator", "stop", entry["run"]).code == 0
    refused = [answer for answer in asyncio.run(started_at_once(up, file, 8)) if isinstance(answer, AioRpcError)]
    assert len(refused) == 7
    assert all("is already going (" in str(answer.details()) for answer in refused)
    assert up.say(up.host.home, "coordinator", "start", str(file)).code == 1


async def started_at_once(up: Group, file: Path, times: int) -> list[object]:
    """What the host answers each of them."""
    request = operator_pb2.StartRequest(run_file=file.read_text(), file_name=str(file), folder=str(file.parent))
    async with calling(up.host.home / "coordinator", "starting a run") as host:
        return await asyncio.gather(*(host.Start(request, timeout=20) for _ in range(times)), return_exceptions=True)


def test_a_member_may_not_do_what_only_the_host_may(up: Group) -> None:
    """A friend's folder, dressed up as a host's."""
    up.join("ana")
    pki = up.folder / "ana" / "node" / "pki"
    eve = up.folder / "eve" / "coordinator"
    (eve / "pki").mkdir(parents=True)
    (eve / "settings.json").write_text((up.host.home / "coordinator" / "settings.json").read_text())
    for theirs, ours in (("ca.crt", "ca.crt"), ("node.key", "operator.key"), ("node.crt", "operator.crt")):
        (eve / "pki" / ours).write_bytes((pki / theirs).read_bytes())
    with HomeLock(eve):
        said = sentence(up.say(up.folder / "eve", "coordinator", "revoke", "ana"))
    assert said == "Only the host may do this, on the PC where the coordinator runs."
    assert up.node("ana")["state"] == "joined"


async def make_yesterday(home: Path, made: invite.Invite) -> None:
    """Put an invite into the journal of a coordinator that does not run."""
    store = SqliteStore(home / "state.db")
    ledger = load(store)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(ledger.run())
        at = made.expires - 60.0
        await ledger.record(InviteMade(at, made.id.hex(), "ana", invite.secret_hash(made.secret), made.expires))
        writing.cancel()
    store.close()
