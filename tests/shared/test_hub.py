"""`model: hf:ORG/NAME@COMMIT` with the hub's real library: from its cache's layout, and from a hub on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node import bases
from shared.blobs import Blobs, digest_of
from shared.errors import OwnerMustAct
from shared.ids import Digest
from shared.job import Job
from shared.models import hub, materialise, trainables, travelling
from shared.models.fresh import make_size, size_config
from shared.models.materialise import require
from tests.node.train.room import make_job
from tests.shared.hub import COMMIT, PINNED, REPO, StandIn, fill_cache, serving


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_size("potluck-tiny", folder)
    return folder


@pytest.fixture(autouse=True)
def hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's, and no way to the real hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    return tmp_path / "hub"


@pytest.fixture
def standin(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    folder = tmp_path / "served"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "README.md").write_text("about")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with serving(folder) as served:
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        yield served


def job_of(model: Path) -> Job:
    files = {name: digest_of(path) for name, path in travelling(model).items()}
    tensors = trainables(size_config("potluck-tiny"), {"kind": "full"})
    return replace(make_job(tensors, None), base=PINNED, files=files)


def provided(job: Job, home: Path) -> tuple[frozenset[Digest], list[str]]:
    """What a node took in without its host, and what it said."""
    said: list[str] = []
    blobs = Blobs(home / "blobs")
    got = asyncio.run(bases.provide(job, blobs, home / "cache", home / "log" / "models.log", said.append))
    assert all(digest_of(blobs.require(digest)) == digest for digest in got)
    return got, said


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        (PINNED, hub.HubModel(REPO, COMMIT)),
        ("hf:a/b@v1.0", hub.HubModel("a/b", "v1.0")),
        ("hf:a/b", hub.HubModel("a/b", "main")),
    ],
)
def test_a_name_is_repository_and_revision(written: str, parsed: hub.HubModel) -> None:
    assert hub.parse(written) == parsed
    assert parsed.pinned == (written == PINNED)


@pytest.mark.parametrize("wrong", ["hf:", "hf:only", "hf:a/../b@main", "hf:a/b/c@main", "hf:a/b@", "hf:/etc/passwd"])
def test_another_way_of_writing_it_is_refused(wrong: str) -> None:
    with pytest.raises(OwnerMustAct, match="ORG/NAME@COMMIT"):
        hub.parse(wrong)


def test_a_model_in_the_hubs_own_cache_needs_no_network(model: Path, hubs_cache: Path, tmp_path: Path) -> None:
    fill_cache(hubs_cache, model)
    require(PINNED, ".")
    made = materialise(PINNED, ".", tmp_path / "cache")
    assert {n: digest_of(p) for n, p in travelling(made).items()} == job_of(model).files
    got, said = provided(job_of(model), tmp_path)
    assert (got, said) == (frozenset(job_of(model).files.values()), [])


def test_a_model_is_fetched_without_its_pickles(standin: StandIn, model: Path, tmp_path: Path) -> None:
    require(PINNED, ".")
    assert not any("safetensors" in path for path in standin.asked), "looking at a model fetches no weights"
    made = materialise(PINNED, ".", tmp_path / "cache")
    assert {path.name: digest_of(path) for path in made.iterdir()} == job_of(model).files
    assert not any("README" in path or ".bin" in path for path in standin.asked)


def test_a_node_fetches_it_itself(standin: StandIn, model: Path, tmp_path: Path) -> None:
    assert provided(job_of(model), tmp_path) == (frozenset(job_of(model).files.values()), [])


def test_other_bytes_from_the_hub_are_said_and_left_to_the_host(standin: StandIn, model: Path, tmp_path: Path) -> None:
    """The weights by what the hub says of them, before they are fetched; a small file after."""
    config = standin.folder / "config.json"
    config.write_text(config.read_text() + " ")
    weights = standin.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    job = job_of(model)
    got, said = provided(job, tmp_path)
    assert job.files["config.json"] not in got
    assert job.files["model.safetensors"] not in got
    assert f"The hub's config.json of {PINNED} is not the run's; the host's is fetched instead." in said
    assert any("model.safetensors" in sentence and "not the one that the run is about" in sentence for sentence in said)
    assert f"GET /{REPO}/resolve/{COMMIT}/model.safetensors" not in standin.asked


def test_a_file_larger_than_the_run_allows_is_not_fetched(standin: StandIn, model: Path, tmp_path: Path) -> None:
    with open(standin.folder / "tokenizer.json", "ab") as file:
        file.truncate(65 << 20)
    got, said = provided(job_of(model), tmp_path)
    assert job_of(model).files["tokenizer.json"] not in got
    assert any("tokenizer.json" in sentence and "larger than the run allows" in sentence for sentence in said)


def test_a_hub_that_is_away_is_said_and_left_to_the_host(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    got, said = provided(job_of(model), tmp_path)
    assert got == frozenset()
    assert len(said) == 1
    assert "Is the internet away?" in said[0]
    assert said[0].endswith("What is missing is fetched from the host instead.")
    with pytest.raises(OwnerMustAct, match="Is the internet away"):
        require(PINNED, ".")


def test_an_offline_owner_is_told_that_the_cache_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="Is the internet away"):
        require(PINNED, ".")


@pytest.mark.parametrize("revision", ["", "@main", "@v1.0"])
def test_a_revision_that_can_be_moved_is_answered_with_todays_commit(standin: StandIn, revision: str) -> None:
    with pytest.raises(OwnerMustAct, match=f"write: model: {PINNED}"):
        require(f"hf:{REPO}{revision}", ".")


def test_a_model_of_pickles_alone_is_refused_with_what_to_do(standin: StandIn) -> None:
    (standin.folder / "model.safetensors").unlink()
    with pytest.raises(OwnerMustAct, match=r"no safetensors weights.*Convert them once"):
        require(PINNED, ".")


def test_a_model_that_the_hub_does_not_have_is_told_in_words(standin: StandIn) -> None:
    with pytest.raises(OwnerMustAct, match="no public model hf:friends/other"):
        require(f"hf:friends/other@{COMMIT}", ".")
