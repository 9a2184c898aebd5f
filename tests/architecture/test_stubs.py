"""The generated stubs belong to the .proto files beside them."""

from tests.architecture.stubs import stale


def test_the_committed_stubs_are_fresh() -> None:
    assert stale() == []
