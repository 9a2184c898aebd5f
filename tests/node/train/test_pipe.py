"""Orders are heard while the trainer works, and in the right order."""

from __future__ import annotations

import io
import json
import time

from node.train.pipe import Orders


def said(*orders: dict[str, object]) -> Orders:
    """Orders whose whole input has been read."""
    heard = Orders(io.StringIO("".join(json.dumps(words) + "\n" for words in orders)))
    deadline = time.monotonic() + 5
    while not heard.ended:
        assert time.monotonic() < deadline
    return heard


def test_the_end_of_the_input_is_a_stop() -> None:
    heard = said({"op": "open"})
    assert [heard.next()["op"], heard.next()["op"]] == ["open", "stop"]
    assert heard.halted
    assert heard.ended


def test_a_halt_right_behind_a_train_is_not_lost() -> None:
    heard = said({"op": "train"}, {"op": "halt"})
    assert heard.next()["op"] == "train"
    assert heard.halted


def test_what_is_not_json_is_an_unknown_order_and_not_the_end() -> None:
    heard = Orders(io.StringIO('hello\n[1]\n{"op": "stop"}\n'))
    assert [heard.next()["op"] for _ in range(3)] == ["?", "?", "stop"]
