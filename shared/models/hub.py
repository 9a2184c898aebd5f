"""`model: hf:ORG/NAME@COMMIT`: a model of the Hugging Face hub at one commit; safetensors only, never code.

The hub's library works in a process of its own, `python -m shared.models.hub OPERATION MODEL`, with its telemetry off:
no agent and no trainer loads it. Its own cache is looked at first and kept in its own layout, so what the owner has of
the model is not fetched again. HF_HUB_OFFLINE=1 is the owner's word that only that cache may be used.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import OwnerMustAct, PotluckError
from shared.models.folder import SMALL_FILES
from shared.result import link_or_copy

PREFIX = "hf:"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
_NAME = re.compile(r"hf:([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9][\w./-]{0,99}))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository and a revision; `pinned` when that is a commit, which nobody can move."""

    repo: str
    revision: str

    @property
    def pinned(self) -> bool:
        return _COMMIT.fullmatch(self.revision) is not None


def is_hub(model: str) -> bool:
    return model.startswith(PREFIX)


def parse(model: str) -> HubModel:
    """Raises OwnerMustAct when it is not written as hf:ORG/NAME@REVISION."""
    match = _NAME.fullmatch(model)
    if match is None or ".." in model:
        raise OwnerMustAct(f"{model} is not a model of the hub: write hf:ORG/NAME@COMMIT.")
    return HubModel(match[1], match[2] or "main")


def look(model: str) -> Words:
    """The model's config.json, once everything else is known to be there. Raises OwnerMustAct in words."""
    parse(model)
    config: Words = json.loads(Path(_ask("look", model)["config"]).read_bytes())
    return config


def lay_out(model: str, folder: Path) -> None:
    """Fill `folder` with the model's files, linked to the hub's cache where the disk can do it."""
    parse(model)
    for name, path in _ask("whole", model)["files"].items():
        link_or_copy(Path(path).resolve(), folder / name)  # the cache shows its blobs by symbolic links


def _ask(operation: str, model: str) -> Words:
    done = subprocess.run(
        [sys.executable, "-m", "shared.models.hub", operation, model], stdout=subprocess.PIPE, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if not lines:
        raise OwnerMustAct(f"Fetching {model} failed (exit code {done.returncode}); the log says more.")
    answer: Words = json.loads(lines[-1])
    if answer["fact"] == "failed":
        raise OwnerMustAct(answer["sentence"])
    return answer


# ------------------------------------------------ below: in the process of its own


class Hub:
    """What the library can do for us, in words for people."""

    def __init__(self, model: str) -> None:
        self._model, self._name = model, parse(model)
        os.environ.update(QUIET)  # read when the library is imported
        import huggingface_hub
        import huggingface_hub.errors

        self._hub: Any = huggingface_hub

    def look(self) -> Words:
        self._require_commit()
        names = self._names()
        if "tokenizer.json" not in names:
            raise OwnerMustAct(f"{self._model} has no tokenizer.json, which every PC needs. Choose another model.")
        return {"fact": "looked", "config": str(self._file("config.json"))}

    def whole(self) -> Words:
        self._require_commit()
        return {"fact": "whole", "files": {name: str(self._file(name)) for name in self._names()}}

    def some(self, wanted: Mapping[str, tuple[str, int]]) -> Iterator[Words]:
        """Those of the wanted files {name: (digest, most bytes)} that the hub has with that digest, one fact each."""
        self._require_commit()
        for name, (digest, most) in wanted.items():
            path = self._cached(name)
            if path is None:
                url = self._hub.hf_hub_url(self._name.repo, name, revision=self._name.revision)
                there = self._hub.get_hf_file_metadata(url)
                if there.size is None or there.size > most:
                    raise OwnerMustAct(f"The hub's {name} of {self._model} is larger than the run allows.")
                if len(there.etag or "") == 64 and there.etag != digest:  # of large files: the SHA-256 of the content
                    raise OwnerMustAct(f"The hub's {name} of {self._model} is not the one that the run is about.")
                path = self._file(name)
            yield {"fact": "fetched", "name": name, "path": str(path.resolve())}

    def _require_commit(self) -> None:
        if self._name.pinned:
            return
        commit = self._hub.HfApi().model_info(self._name.repo, revision=self._name.revision).sha
        raise OwnerMustAct(
            f"{self._name.revision!r} of {self._name.repo} can be moved to other bytes at any time. Today it is commit "
            f"{commit}. To use that, write: model: hf:{self._name.repo}@{commit}"
        )

    def _names(self) -> list[str]:
        """The files that are needed: of a complete copy in the cache, else as the hub lists them."""
        cached = self._cached("config.json")
        names = {path.name for path in cached.parent.iterdir()} if cached else set[str]()
        if not {SINGLE, INDEX} & names or "tokenizer.json" not in names:
            info = self._hub.HfApi().model_info(self._name.repo, revision=self._name.revision)
            names = {file.rfilename for file in info.siblings or ()}
        if not {SINGLE, INDEX} & names:
            raise OwnerMustAct(
                f"{self._model} has no safetensors weights; pickled weights are never opened. Convert them once "
                "(huggingface.co/spaces/safetensors/convert offers that for any model) and name the new commit."
            )
        weights = [SINGLE] if SINGLE in names else [INDEX, *self._shards()]
        return [name for name in SMALL_FILES if name in names] + weights

    def _shards(self) -> list[str]:
        files = json.loads(self._file(INDEX).read_bytes())["weight_map"].values()
        return sorted({str(name) for name in files if re.fullmatch(r"[\w.-]+\.safetensors", str(name))})

    def _cached(self, name: str) -> Path | None:
        found = self._hub.try_to_load_from_cache(self._name.repo, name, revision=self._name.revision)
        return Path(found) if isinstance(found, str) else None

    def _file(self, name: str) -> Path:
        return Path(self._hub.hf_hub_download(self._name.repo, name, revision=self._name.revision))


def in_words(error: Exception, model: str) -> str:
    """What went wrong with the hub. Names of its errors, not their classes: the caller may not have the library."""
    match type(error).__name__:
        case "GatedRepoError":
            return f"{model} is only for people who accepted its terms on the hub: log in there and accept them first."
        case "RepositoryNotFoundError":
            return f"The hub has no public model {model}. Is the name right?"
        case "RevisionNotFoundError":
            return f"The hub has the model but not the revision of {model}."
        case "EntryNotFoundError" | "RemoteEntryNotFoundError":
            return f"{model} lacks a file that is needed ({error})."
        case "LocalEntryNotFoundError" | "OfflineModeIsEnabled":
            return f"{model} is not whole in this PC's hub cache, and the hub is out of reach. Is the internet away?"
        case kind:
            said = (str(error).splitlines() or ["no word"])[0]
            return f"The hub could not give {model} ({kind}: {said}). Is the internet away?"


def main() -> int:
    operation, model, *rest = sys.argv[1:]
    try:
        hub = Hub(model)
        facts: Iterable[Words]
        match operation:
            case "look":
                facts = [hub.look()]
            case "whole":
                facts = [hub.whole()]
            case _:
                facts = hub.some({name: (str(d), int(most)) for name, (d, most) in json.loads(rest[0]).items()})
        for fact in facts:
            print(json.dumps(fact), flush=True)
    except PotluckError as error:
        print(json.dumps({"fact": "failed", "sentence": error.sentence}), flush=True)
        return 1
    except Exception as error:  # noqa: BLE001  the edge of the process: whatever the library and the network raise
        print(json.dumps({"fact": "failed", "sentence": in_words(error, model)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
