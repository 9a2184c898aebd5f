"""What every store promises, asked of each; and what only a disk can do to one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordinator.store import facts, journal
from coordinator.store.journal import Row, Store
from coordinator.store.memory import MemoryStore
from coordinator.store.sqlite import SqliteStore
from shared.errors import OwnerMustAct
from tests.coordinator.stories import ANA, RUN, uploaded


def rows(first: int, count: int) -> list[Row]:
    return [
        journal.row(seq, RUN, 0.5 + seq, "Elapsed", f'{{"at":{0.5 + seq}}}', 1) for seq in range(first, first + count)
    ]


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = SqliteStore(tmp_path / "state.db") if request.param == "sqlite" else MemoryStore()
    yield made
    made.close()


def test_facts_come_back_as_they_were_and_in_order(store: Store) -> None:
    store.append(rows(1, 2))
    store.append(rows(3, 3))
    assert list(store.rows()) == rows(1, 5)
    assert list(store.rows(after=3)) == rows(4, 2)


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert list(store.rows()) == []
    assert store.snapshot() is None


def test_a_fact_with_the_wrong_number_is_a_mistake_of_ours(store: Store) -> None:
    store.append(rows(1, 1))
    for wrong in (rows(1, 1), rows(3, 1), [*rows(2, 1), *rows(2, 1)]):
        with pytest.raises(AssertionError):
            store.append(wrong)
    assert list(store.rows()) == rows(1, 1)


def test_only_the_newest_snapshot_stays(store: Store) -> None:
    store.keep_snapshot(journal.snapshot(3, "{}"))
    store.keep_snapshot(journal.snapshot(7, '{"now":1}'))
    kept = store.snapshot()
    assert kept == journal.snapshot(7, '{"now":1}')
    assert journal.intact(kept)
    assert not journal.intact(journal.Snapshot(8, kept.json, kept.digest))


def test_letters_of_every_script_survive(store: Store) -> None:
    row = journal.row(1, "", 1.0, "RunFailed", '{"sentence":"料理 ließ 🍲"}', 1)
    store.append([row])
    assert list(store.rows()) == [row]


def test_a_changed_fact_is_found_and_named(store: Store) -> None:
    good = rows(1, 3)
    changed = Row(2, RUN, 2.5, "Elapsed", '{"at":9.5}', 1, good[1].digest)
    store.append([good[0], changed, good[2]])
    with pytest.raises(OwnerMustAct, match=r"fact 2 \(Elapsed, 01 January 1970 00:00 UTC\)"):
        list(store.rows())


# The disk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def kept(file: Path) -> list[Row]:
    store = SqliteStore(file)
    try:
        return list(store.rows())
    finally:
        store.close()


def filled(file: Path, count: int) -> None:
    store = SqliteStore(file)
    store.append(rows(1, count))
    store.close()


def test_facts_outlive_the_process_that_wrote_them(file: Path) -> None:
    filled(file, 5)
    assert kept(file) == rows(1, 5)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_flipped_byte_on_the_disk_is_found(file: Path) -> None:
    filled(file, 200)
    data = bytearray(file.read_bytes())
    place = data.find(b'{"at":100.5}')
    data[place + 6] ^= 1
    file.write_bytes(data)
    with pytest.raises(OwnerMustAct, match="fact 100 "):
        kept(file)


@pytest.mark.parametrize("place", [0, 30, 100, 4096, 16384])
def test_a_damaged_file_is_told_in_words_wherever_it_is_damaged(file: Path, place: int) -> None:
    filled(file, 300)
    data = bytearray(file.read_bytes())
    data[place : place + 64] = bytes(255 - byte for byte in data[place : place + 64])
    file.write_bytes(data)
    with pytest.raises(OwnerMustAct, match=r"damaged|not a potluck database"):
        kept(file)


def test_a_missing_fact_is_noticed(file: Path) -> None:
    filled(file, 9)
    database = sqlite3.connect(file)
    with database:
        database.execute("DELETE FROM facts WHERE seq = 4")
    database.close()
    with pytest.raises(OwnerMustAct, match="fact 4 is missing"):
        kept(file)


def test_a_torn_end_of_the_log_is_trimmed_to_the_last_whole_transaction(file: Path) -> None:
    store = SqliteStore(file)
    for seq in range(1, 21):
        store.append(rows(seq, 1))
    copy = file.with_name("copy") / "state.db"
    copy.parent.mkdir()
    log = Path(f"{file}-wal").read_bytes()
    copy.write_bytes(file.read_bytes())
    Path(f"{copy}-wal").write_bytes(log[: len(log) - 1000])
    store.close()
    found = kept(copy)
    assert found == rows(1, len(found))
    assert len(found) == 19


def test_a_full_disk_is_told_in_words_and_loses_nothing(file: Path) -> None:
    filled(file, 3)
    store = SqliteStore(file)
    store._database.execute("PRAGMA max_page_count = 8")  # what SQLite says is the same as for a full disk
    with pytest.raises(OwnerMustAct, match="disk is full"):
        store.append(rows(4, 1000))
    store.append(rows(4, 1))
    store.close()
    assert kept(file) == rows(1, 4)


def test_a_write_the_system_refuses_is_told_in_words(file: Path) -> None:
    """A real process whose files may not grow: the system cuts its writes."""
    filled(file, 3)
    limit = file.stat().st_size + 20_000
    program = (
        "import resource, signal, sys; from pathlib import Path; from tests.contracts.test_stores import *;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "store = SqliteStore(Path(sys.argv[1]));"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "[store.append(rows(first, 100)) for first in range(4, 4000, 100)]"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60)
    assert "OwnerMustAct" in ended.stderr
    found = kept(file)
    assert found == rows(1, len(found))


def test_a_file_that_is_no_database_is_told_in_words(file: Path) -> None:
    file.write_text("shopping list: leeks, cream\n" * 100)
    with pytest.raises(OwnerMustAct, match="not a potluck database"):
        SqliteStore(file)


# Facts as JSON


def test_a_fact_comes_back_as_it_was() -> None:
    fact = uploaded(ANA, at=3.25, share=0.37, metrics={"loss": 1.5})
    assert facts.load(*facts.dump(fact)) == fact


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda kind, text, version: ("Sneezed", text, version), "kind Sneezed .* newer potluck"),
        (lambda kind, text, version: (kind, text, version + 1), r"version 2\) .* newer potluck"),
        (lambda kind, text, version: (kind, text.replace('"node"', '"knot"'), version), "has no knot"),
        (lambda kind, text, version: (kind, text.replace('"size":100,', ""), version), "incomplete"),
        (lambda kind, text, version: (kind, text.replace('"size":100', '"size":true'), version), "cannot be read"),
        (lambda kind, text, version: (kind, text[:-1], version), "cannot be read"),
    ],
)
def test_an_unknown_fact_is_refused_in_words(
    spoil: Callable[[str, str, int], tuple[str, str, int]], words: str
) -> None:
    with pytest.raises(OwnerMustAct, match=words):
        facts.load(*spoil(*facts.dump(uploaded(ANA))))
