"""The door for tensors: what it lets in, and what it says to everything else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from shared.blobs import digest_of
from shared.codec import safe
from shared.errors import Refusal, Refused
from shared.ids import NodeId, RunId
from shared.job import Codec, TensorSpec
from tests.shared.tensors import SMALL, draw, load, save

Entries = dict[str, Any]


def test_what_was_written_is_read_back_and_loads_elsewhere(tmp_path: Path) -> None:
    values = draw(SMALL, 1)
    digest = save(tmp_path / "u", values)
    assert digest == digest_of(tmp_path / "u")
    for there in (load(tmp_path / "u", SMALL), load_file(tmp_path / "u")):
        assert all((there[name] == array).all() for name, array in values.items())


def test_bf16_files_hold_half_the_bytes_and_rounded_values(tmp_path: Path) -> None:
    values = draw(SMALL, 1)
    save(tmp_path / "u", values, "bf16")
    there = load(tmp_path / "u", SMALL, "bf16")
    assert all(np.allclose(there[name], array, rtol=2**-8) for name, array in values.items())
    assert safe.layout(SMALL, "bf16").size < safe.layout(SMALL, "fp32").size


def test_the_layout_does_not_depend_on_the_order_of_the_list() -> None:
    assert safe.layout(SMALL, "fp32") == safe.layout(SMALL[::-1], "fp32")
    assert len(safe.layout(SMALL, "fp32").header) % 8 == 0


def test_tensors_longer_than_a_block_survive(tmp_path: Path) -> None:
    tensors = (TensorSpec("a", (5,)), TensorSpec("b", (3, 700_001)), TensorSpec("c", (1,)))
    values = draw(tensors, 3)
    codecs: tuple[Codec, ...] = ("fp32", "bf16")
    for codec in codecs:
        save(tmp_path / codec, values, codec)
        there = load(tmp_path / codec, tensors, codec)
        assert all(np.allclose(there[name], array, rtol=2**-8) for name, array in values.items())


def test_the_norm_is_that_of_all_values(tmp_path: Path) -> None:
    values = draw(SMALL, 1)
    save(tmp_path / "u", values)
    expected = float(np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in values.values())))
    assert safe.finite(tmp_path / "u", safe.layout(SMALL, "fp32")) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (-2e9, "-2e+09")]
)
def test_an_absurd_value_is_refused_with_its_tensor(tmp_path: Path, value: float, words: str) -> None:
    values = draw(SMALL, 1)
    values["b.weight"][3] = value
    save(tmp_path / "u", values)
    with pytest.raises(Refused, match=r"b\.weight holds") as refused:
        safe.finite(tmp_path / "u", safe.check(tmp_path / "u", SMALL, "fp32"))
    assert words in refused.value.sentence


def raw(entries: object, payload: int = 4 * 70) -> bytes:
    """A file with this header."""
    compact = json.dumps(entries, sort_keys=True, separators=(",", ":")) if not isinstance(entries, bytes) else ""
    text = entries if isinstance(entries, bytes) else compact.encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(payload)


def good() -> Entries:
    length = int.from_bytes(safe.layout(SMALL, "fp32").header[:8], "little")
    entries: Entries = json.loads(safe.layout(SMALL, "fp32").header[8 : 8 + length])
    return entries


def changed(change: Callable[[Entries], object]) -> bytes:
    entries = good()
    change(entries)
    return raw(entries)


def renamed(entries: Entries) -> None:
    entries["evil.weight"] = entries.pop("b.weight")


REFUSALS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut short: it has no header"),
    "seven bytes": (b"1234567", "cut short: it has no header"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR." + bytes(400), "claims a header"),
    "huge header": ((1 << 60).to_bytes(8, "little") + raw(good())[8:], "claims a header"),
    "header longer than the file": ((5000).to_bytes(8, "little") + raw(good())[8:], "claims a header"),
    "not JSON": (raw(b"{]"), "not JSON"),
    "not UTF-8": (raw(b"{\xff\xfe}"), "not JSON"),
    "deep JSON": (raw(b"[" * 200_000), "not JSON"),
    "a number of ten thousand digits": (raw(b'{"a.weight":' + b"9" * 10_000 + b"}"), "not JSON"),
    "a list": (raw([1, 2]), "not a JSON object"),
    "metadata": (changed(lambda e: e.update({"__metadata__": {"a": "b"}})), "metadata"),
    "a name twice": (raw(raw(good())[8:].split(b"}}")[0] + b'},"a.weight":{}}'), "a.weight stands twice"),
    "a key twice": (raw(b'{"a.weight":{"dtype":"F32","dtype":"F32"}}'), "dtype stands twice"),
    "a tensor missing": (changed(lambda e: e.pop("b.weight")), "lacks b.weight"),
    "a tensor too many": (changed(lambda e: e.update({"z": e["a.weight"]})), "holds z"),
    "another name": (changed(renamed), "lacks b.weight"),
    "another dtype": (changed(lambda e: e["b.weight"].update(dtype="F16")), "b.weight is F16; this run uses F32"),
    "another shape": (changed(lambda e: e["a.weight"].update(shape=[8, 4])), r"a.weight has the shape \[8, 4\]; \[4"),
    "overlap": (changed(lambda e: e["b.weight"].update(data_offsets=[96, 128])), r"b.weight lies at \[96, 128\]"),
    "a gap": (changed(lambda e: e["b.weight"].update(data_offsets=[132, 164])), "b.weight lies at"),
    "negative offsets": (changed(lambda e: e["a.weight"].update(data_offsets=[-128, 0])), "a.weight lies at"),
    "an entry too many": (changed(lambda e: e["a.weight"].update(more=1)), "malformed entry"),
    "an entry that is a number": (changed(lambda e: e.update({"a.weight": 3})), "malformed entry"),
    "null offsets": (changed(lambda e: e["a.weight"].update(data_offsets=None)), "a.weight lies at None"),
    "cut short": (raw(good())[:-1], "1 bytes are missing"),
    "trailing bytes": (raw(good()) + b"x", "1 bytes follow"),
    "far too large": (raw(good()) + bytes(2 * safe.MAX_HEADER), "one of this run has"),
    "spaces in the header": (raw(json.dumps(good(), sort_keys=True).encode()), "not written the way"),
    "a float for an integer": (changed(lambda e: e["b.weight"].update(shape=[8.0])), "not written the way"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_file_that_is_not_ours_is_refused_in_words(tmp_path: Path, case: str) -> None:
    content, words = REFUSALS[case]
    (tmp_path / "u").write_bytes(content)
    with pytest.raises(Refused, match=words) as refused:
        safe.check(tmp_path / "u", SMALL, "fp32")
    assert refused.value.refusal is Refusal.UPDATE
    assert len(refused.value.sentence) < 300


def test_the_other_codec_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "u", draw(SMALL, 1), "bf16")
    with pytest.raises(Refused, match=r"a\.weight is BF16; this run uses F32"):
        safe.check(tmp_path / "u", SMALL, "fp32")


OURS = safe.Origin(NodeId("a" * 16), RunId("saturday-123456"), 3)


def test_an_update_says_who_made_it_and_for_what(tmp_path: Path) -> None:
    digest = save(tmp_path / "u", draw(SMALL, 1), made_by=OURS)
    assert safe.origin_of(tmp_path / "u") == OURS
    where = safe.check(tmp_path / "u", SMALL, "fp32", OURS)
    assert all((dict(safe.read(tmp_path / "u", where))[name] == v).all() for name, v in draw(SMALL, 1).items())
    assert load_file(tmp_path / "u").keys() == draw(SMALL, 1).keys()
    assert save(tmp_path / "v", draw(SMALL, 1), made_by=replace(OURS, round=4)) != digest


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (None, "does not say which PC made it"),
        (replace(OURS, node=NodeId("b" * 16)), rf"Another PC \({'b' * 16}\) made this file"),
        (replace(OURS, run=RunId("sunday-123456")), "made for the run sunday-123456; this is saturday-123456"),
        (replace(OURS, round=2), "made for round 2; this is round 3"),
    ],
)
def test_an_update_of_another_origin_is_refused_by_name(tmp_path: Path, other: safe.Origin | None, words: str) -> None:
    save(tmp_path / "u", draw(SMALL, 1), made_by=other)
    with pytest.raises(Refused, match=words):
        safe.check(tmp_path / "u", SMALL, "fp32", OURS)


@pytest.mark.parametrize("said", [None, [], {}, "x", {"potluck-origin": 3}, {"potluck-origin": "a 0000000001"}])
def test_an_origin_that_cannot_be_read_is_none(tmp_path: Path, said: object) -> None:
    (tmp_path / "u").write_bytes(raw({**good(), "__metadata__": said}))
    assert safe.origin_of(tmp_path / "u") is None
    with pytest.raises(Refused, match="does not say which PC made it"):
        safe.check(tmp_path / "u", SMALL, "fp32", OURS)


def test_every_origin_takes_the_same_room() -> None:
    long = safe.Origin(NodeId("b" * 16), RunId("r" * 80), 1_000_000)
    sizes = {safe.layout(SMALL, "fp32", origin.metadata).size for origin in (OURS, long)}
    assert len(sizes) == 1


def test_a_file_that_shrinks_after_the_check_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "u", draw(SMALL, 1))
    where = safe.check(tmp_path / "u", SMALL, "fp32")
    (tmp_path / "u").write_bytes((tmp_path / "u").read_bytes()[:-4])
    with pytest.raises(Refused, match="cut short"):
        safe.finite(tmp_path / "u", where)


def through_the_door(path: Path) -> bool:
    """Whether the file was let in; anything but a refusal escapes."""
    try:
        safe.finite(path, safe.check(path, SMALL, "fp32"))
    except Refused:
        return False
    load_file(path)  # what we let in, the library reads
    return True


def test_no_mutation_of_a_good_file_breaks_the_door(tmp_path: Path) -> None:
    chance, path = random.Random(1), tmp_path / "u"
    save(path, draw(SMALL, 1))
    whole = path.read_bytes()
    head = len(safe.layout(SMALL, "fp32").header)
    let_in = 0
    for _ in range(4000):
        mutated = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            mutated[chance.randrange(len(mutated) if chance.random() < 0.3 else head)] = chance.randrange(256)
        if chance.random() < 0.2:
            del mutated[chance.randrange(len(mutated)) :]
        path.write_bytes(mutated)
        if through_the_door(path):
            let_in += 1
            assert mutated[:head] == whole[:head]
    assert let_in > 0


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=600))
def test_no_bytes_at_all_break_the_door(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "u").write_bytes(content)
    assert not through_the_door(tmp_path / "u")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*good(), "z", "__metadata__"]),
    key=st.sampled_from(["dtype", "shape", "data_offsets", None]),
    value=JSON_VALUES,
)
def test_no_json_in_any_place_breaks_the_door(tmp_path: Path, name: str, key: str | None, value: object) -> None:
    entries = good()
    if key is None:
        entries[name] = value
    else:
        entries.setdefault(name, {})[key] = value
    (tmp_path / "u").write_bytes(raw(entries))
    assert through_the_door(tmp_path / "u") == (entries == good() and raw(entries) == raw(good()))
