"""Two runs at once: friends go from one to the other and back, round by round, with the same agent."""

from __future__ import annotations

from itertools import product

import pytest

from tests.cluster.group import Group

pytestmark = pytest.mark.slow


def test_two_runs_at_once_are_both_finished_by_everybody(group: Group) -> None:
    group.up()
    for name in ("ana", "bo"):
        group.join(name)
        group.hold(name, 0)
    group.run("ana", "bo")
    group.until("everybody", lambda: all(group.node(name)["state"] == "ready" for name in group.friends))
    runs = [group.start(name=name, rounds=3, evaluate="true") for name in ("first", "second")]
    group.let_go()
    for run in runs:
        group.finished(run)
        for name, number in product(("ana", "bo"), (1, 2, 3)):
            assert group.member(run, name, number)["state"] == "counted", group.logs()
    assert "damaged" not in group.log("ana") + group.log("bo")
