"""A friend with a real certificate who sends rubbish: refused by name, and the round goes on with the others."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.ids import Digest
from shared.job import TensorSpec
from tests.cluster.eve import Eve, eve
from tests.cluster.group import Group

pytestmark = pytest.mark.slow

Entries = dict[str, Any]


@pytest.fixture
def table(group: Group) -> Group:
    """Ana and bo, who work (bo waits before his second step), and eve, who has only joined."""
    group.up()
    for name in ("ana", "bo", "eve"):
        group.join(name)
    group.hold("bo", 1)
    return group


def sit(table: Group, act: Callable[[Eve, str], Awaitable[None]], **changes: object) -> str:
    """Start a run that all three take part in; `act` when eve is asked to train. The name of the run."""

    def everybody_is_here() -> bool:
        return sorted(node["name"] for node in table.status()["nodes"] if node["state"] == "ready") == [
            "ana",
            "bo",
            "eve",
        ]

    async def play() -> str:
        async with eve(table.friends["eve"].home / "node", table.blobs("host")) as guest:
            table.run("ana", "bo")
            await asyncio.to_thread(table.until, "all three", everybody_is_here)
            run = await asyncio.to_thread(lambda: table.start(**{"rounds": 1, **changes}))
            await guest.asked()
            await act(guest, run)
            return run

    return asyncio.run(play())


def ends_with(table: Group, run: str, state: str, words: str) -> None:
    """Ana's and bo's updates are merged, and the host reads why eve's is not."""
    table.let_go()
    table.finished(run)
    told = json.loads(table.host.potluck("rounds", "--json"))
    (only,) = next(entry for entry in told["runs"] if entry["run"] == run)["history"]
    members = {member["name"]: member for member in only["members"]}
    assert (members["ana"]["state"], members["bo"]["state"]) == ("counted", "counted")
    assert members["eve"]["state"] == state
    assert words in members["eve"]["sentence"]
    assert only["metrics"]["nodes"] == 2


def ends_well(table: Group, run: str) -> None:
    """In the end eve sent a good one, and all three are merged."""
    table.let_go()
    (only,) = table.finished(run)["history"]
    assert [member["state"] for member in only["members"]] == ["counted"] * 3
    assert only["metrics"]["nodes"] == 3


def another_shape(guest: Eve) -> bytes:
    """As many values in all, but one matrix lies on its side."""
    odd = next(spec for spec in guest.job.tensors if len(set(spec.shape)) == 2)
    on_its_side = replace(odd, shape=odd.shape[::-1])
    return guest.update(tensors=tuple(on_its_side if spec == odd else spec for spec in guest.job.tensors))


def another_name(guest: Eve) -> bytes:
    first, *rest = guest.job.tensors
    return guest.update(tensors=(TensorSpec(first.name[:-1] + "!", first.shape), *rest))


def a_pickle(guest: Eve) -> bytes:
    """A program in the shape of a file, exactly as long as an update."""
    data = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
    return data + bytes(len(guest.update()) - len(data))


def another_type(guest: Eve) -> bytes:
    """Just as long: the values of one tensor are said to be whole numbers."""

    def change(entries: Entries) -> None:
        entries[guest.job.tensors[0].name]["dtype"] = "I16" if guest.job.codec == "bf16" else "I32"

    return with_header(guest.update(), change)


def a_tensor_less(guest: Eve) -> bytes:
    """Just as long: another tensor has grown over the place of the missing one."""

    def change(entries: Entries) -> None:
        *_, grown, missing = sorted(spec.name for spec in guest.job.tensors)
        values = [math.prod(entries[name]["shape"]) for name in (grown, missing)]
        start, end = entries[grown]["data_offsets"][0], entries.pop(missing)["data_offsets"][1]
        entries[grown] |= {"shape": [sum(values)], "data_offsets": [start, end]}

    return with_header(guest.update(), change)


def with_header(data: bytes, change: Callable[[Entries], object]) -> bytes:
    """The same file with a changed header of the same length."""
    end = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:end])
    change(entries)
    text = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode().ljust(end - 8)
    assert len(text) == end - 8
    return data[:8] + text + data[end:]


RUBBISH: dict[str, tuple[Callable[[Eve], bytes], str]] = {
    "NaN": (lambda guest: guest.update(fill=float("nan")), "not a number"),
    "infinity": (lambda guest: guest.update(fill=float("inf")), "infinite"),
    "an absurd value": (lambda guest: guest.update(fill=1e30), "1e+30"),
    "another shape": (another_shape, "shape"),
    "another type, as long": (another_type, "; this run uses"),
    "a tensor less, as long": (a_tensor_less, "The file lacks"),
    "nobody's": (lambda guest: with_header(guest.update(), lambda e: e.pop("__metadata__")), "which PC made it"),
    "another name": (another_name, "The file lacks"),
    "a pickle": (a_pickle, "safetensors"),
    "a byte too many": (lambda guest: guest.update() + b"!", "bytes; this one has"),
    "a byte too few": (lambda guest: guest.update()[:-1], "bytes; this one has"),
    "nothing": (lambda guest: b"", "bytes; this one has 0"),
}


def test_rubbish_is_refused_by_name_and_the_round_goes_on(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        for name, (make, words) in RUBBISH.items():
            verdict, sentence = await guest.upload(make(guest))
            assert (name, verdict) == (name, "refused"), sentence
            assert words in sentence, (name, sentence)
            shown = await asyncio.to_thread(table.member, run, "eve")
            assert (shown["state"], shown["sentence"]) == ("refused", sentence), name

    run = sit(table, act)
    ends_with(table, run, "refused", "bytes; this one has 0")


def test_impossible_figures_are_refused(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        figures = [("share", 0.0), ("share", 1.5), ("share", float("nan")), ("tokens", 0), ("tokens", (1 << 63) + 1)]
        for seed, (name, figure) in enumerate(figures):
            data = guest.update(seed)
            verdict, sentence = await guest.upload(data, guest.header(data, **{name: figure}))
            assert (verdict, "make no sense" in sentence) == ("refused", True), (name, figure)

    ends_with(table, sit(table, act), "refused", "make no sense")


def test_bytes_that_are_not_what_they_were_said_to_be_are_not_kept(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        good, other = guest.update(1), guest.update(2)
        longer, sentence = await guest.upload(other + b"!", guest.header(other))
        assert (longer, "More bytes came" in sentence) == ("quota", True)
        assert (await guest.upload(other, guest.header(other, digest="ab" * 32)))[0] == "corrupt"
        assert (await guest.upload(other, damage=1))[0] == "corrupt"
        assert (await guest.upload(other, guest.header(other, digest="../../state.db")))[0] == "malformed"
        for seed in (3, 4, 5):
            cut = guest.update(seed)
            assert (await guest.upload(cut[:-9], guest.header(cut)))[0] == "malformed"
        blobs = table.blobs("host")
        assert len(list((blobs.root / "partial").iterdir())) <= 1  # they do not pile up
        assert (await guest.upload(good))[0] == "accepted"

    ends_well(table, sit(table, act))


def test_nobody_can_have_the_hosts_own_files_thrown_away(table: Group) -> None:
    """Updates that claim the digest of the job, of the model, of the base; not a byte is sent."""

    async def act(guest: Eve, run: str) -> None:
        blobs, size = table.blobs("host"), len(guest.update())
        for digest in map(Digest, [guest.duty.job, guest.duty.model, *guest.job.files.values()]):
            verdict, _ = await guest.upload(b"", guest.header(b"", digest=digest, size=size))
            assert verdict == "refused"
            assert blobs.has(digest)

    ends_with(table, sit(table, act), "refused", "")


def test_a_second_update_and_one_for_another_run_are_refused(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        good, other = guest.update(1), guest.update(2)
        assert (await guest.upload(other, guest.header(other, run="sunday-123456")))[0] == "no-such-run"
        assert (await guest.upload(other, guest.header(other, round=7)))[0] == "no-such-run"
        verdict, sentence = await guest.upload(other, guest.header(other, model="ab" * 32))
        assert verdict == "refused"
        assert "trained from another model" in sentence
        assert (await asyncio.to_thread(table.member, run, "eve"))["state"] == "refused"
        assert (await guest.upload(good))[0] == "accepted"
        assert (await guest.upload(good))[0] == "accepted"
        verdict, sentence = await guest.upload(other)
        assert verdict == "refused"
        assert "Another update of this PC was already held" in sentence

    ends_well(table, sit(table, act))


def test_an_update_replayed_from_an_old_round_is_not_used(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        old, older = guest.update(1), guest.update(2)
        before = guest.header(old)
        assert (await guest.upload(old))[0] == "accepted"
        await asyncio.to_thread(table.until, "ana's update", lambda: table.doing("ana").get("updates"))
        table.hold("ana", 1)  # in the round to come
        table.let_go("bo")
        await guest.asked(2)
        assert (await guest.upload(old, before))[0] == "counted"  # in round 1, once and for all
        verdict, sentence = await guest.upload(old, guest.header(old, model=before.model))
        assert (verdict, "trained from another model" in sentence) == ("refused", True)
        verdict, sentence = await guest.upload(older)  # and says that it starts from the new model
        assert (verdict, sentence) == ("refused", "The file was made for round 1; this is round 2.")

    run = sit(table, act, rounds=2)
    table.let_go()
    second = table.finished(run)["history"][1]
    assert {member["name"]: member["state"] for member in second["members"]}["eve"] == "refused"
    assert second["metrics"]["nodes"] == 2


def test_an_update_made_for_another_run_is_refused(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        sunday = await asyncio.to_thread(lambda: table.start(name="sunday"))  # of the very same tensors
        verdict, sentence = await guest.upload(guest.update(made_for=(sunday, 1)))
        assert (verdict, sentence) == ("refused", f"The file was made for the run {sunday}; this is {run}.")

    ends_with(table, sit(table, act), "refused", "made for the run sunday")


def test_another_pcs_update_does_not_count_for_whoever_sends_it(table: Group) -> None:
    """She has the very bytes that ana sent, which the host hands to nobody."""

    async def act(guest: Eve, run: str) -> None:
        await asyncio.to_thread(table.until, "ana's update", lambda: table.doing("ana").get("updates"))
        (theirs,) = table.doing("ana")["updates"]
        await asyncio.to_thread(table.until, "it at the host", lambda: table.blobs("host").has(theirs["digest"]))
        verdict, sentence = await guest.upload(table.blobs("host").read(theirs["digest"]))
        assert verdict == "refused"
        assert "an update counts only for who made it" in sentence

    ends_with(table, sit(table, act), "refused", "Another PC (")


def test_what_others_sent_is_never_handed_out(table: Group) -> None:
    async def act(guest: Eve, run: str) -> None:
        await asyncio.to_thread(table.until, "ana's update", lambda: table.doing("ana").get("updates"))
        (theirs,) = table.doing("ana")["updates"]
        assert table.blobs("host").has(theirs["digest"])
        for digest in (theirs["digest"], "ab" * 32, "../../pki/ca.key", ""):
            assert (await guest.download(digest))[0] == "no-such-blob", digest
        assert (await guest.download(guest.duty.job))[0] == "bytes"
        assert (await guest.download(guest.duty.model))[0] == "bytes"
        assert (await guest.upload(guest.update()))[0] == "accepted"

    ends_well(table, sit(table, act))
