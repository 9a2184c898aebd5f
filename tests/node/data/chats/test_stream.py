"""A JSON export is read message by message, as the whole would be."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.data.chats import stream
from node.data.chats.said import BrokenExport
from node.data.chats.stream import messages

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)  # on a busy PC, too
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3))
elements = st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), max_size=5)


def read(text: str | bytes) -> list[dict[str, Any]]:
    return [one for _, one in messages(io.BytesIO(text.encode() if isinstance(text, str) else text))]


@QUIET
@given(elements, st.integers(1, 40), st.sampled_from([None, 1]))
def test_it_is_what_the_whole_file_holds(said: list[dict[str, Any]], chunk: int, indent: int | None) -> None:
    before, stream.CHUNK = stream.CHUNK, chunk
    try:
        for whole in (said, {"name": "x", "messages": said, "n": 3}):
            assert read(json.dumps(whole, indent=indent)) == said
            assert read(json.dumps(whole, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")) == said
    finally:
        stream.CHUNK = before


def test_chats_of_a_whole_account_know_what_is_around_them() -> None:
    chats = {"about": "x", "list": [{"name": "a", "messages": [{"n": 1}, {"n": 2}]}, 7, {"messages": [], "id": 3}]}
    account = {"me": {"id": 5, "messages": [0]}, "chats": chats, "left_chats": {"list": [{"messages": [{"n": 3}]}]}}
    found = list(messages(io.BytesIO(json.dumps(account).encode())))
    assert [one["n"] for _, one in found] == [1, 2, 3]
    assert all(around[0]["me"]["id"] == 5 for around, _ in found)
    assert found[0][0][-1]["name"] == "a"


@pytest.mark.parametrize(
    "text",
    [
        "", "x", '{"messages": [{"n": 1}', '{"messages": [{"n": 1} {"n": 2}]}', '{"messages": [{"n": 1},', "{3: 4}",
        '{"name": "cut o', '[{"n": 1}, nonsense]', '{"chats": ' * 5000, '{"a": ' + "[" * 100_000, '{"messages" [',
    ],
)  # fmt: skip
def test_a_damaged_file_is_called_so(text: str) -> None:
    with pytest.raises(BrokenExport):
        read(text)


def test_a_value_without_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LARGEST", 1000)
    monkeypatch.setattr(stream, "CHUNK", 100)
    file = io.BytesIO(b'{"messages": [{"text": "' + b"x" * 1_000_000)
    with pytest.raises(BrokenExport):
        list(messages(file))
    assert file.tell() < 10_000
