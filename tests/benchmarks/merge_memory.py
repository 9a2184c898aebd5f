"""Whether merging needs more memory for more friends or for a larger model: it should need neither."""

from __future__ import annotations

from pathlib import Path

from shared.codec.layout import Origin
from tests.benchmarks import models
from tests.benchmarks.report import Figure, memory
from tests.coordinator.federation_child import FederationChild, Words, friend, spec

MEGABYTES = 1000  # of float32 in the large model; the small one has a fifth
PATIENCE = 600  # seconds for one answer: a gigabyte is made, or merged


def measure(folder: Path, megabytes: int = MEGABYTES) -> Figure:
    """The worse of two ratios of the merging process's highest memory: 8 updates over 2, large model over small."""
    small, large = Merging(folder / "small", megabytes / 5), Merging(folder / "large", megabytes)
    base = small.highest(2)
    friends, size = small.highest(8) / base, large.highest(2) / base
    made = large.made / small.made
    detail = (
        f"8 updates over 2: {friends:.3f}; {large.bytes / 1e6:,.0f} MB of fp32 over {small.bytes / 1e6:,.0f} MB: "
        f"{size:.3f}; 2 updates of the small model: {base:.0f} MB, imports included; "
        f"(making the first model, in another process: {small.made:.0f} and {large.made:.0f} MB, ratio {made:.2f})"
    )
    return Figure("merge_memory", max(friends, size), "ratio", 1.2, "lower", detail).explained(
        "the merge folds blocks of 4 MiB, so what grows is held per tensor or per file"
    )


class Merging:
    """A prepared run, and 8 updates for its first round. Each merge is a fresh process's first and only one."""

    def __init__(self, home: Path, megabytes: float) -> None:
        self.home = home
        self._spec = spec({"kind": "full"}, model=str(models.config(home / "model", megabytes)))
        with self._child() as child:
            self.job, self._ready = child.prepare(self._spec)
            self.made = memory(child.process.pid, "VmHWM")
            self.bytes = child.blobs.size(self._ready["model"])
            self._updates = [self._update(child, number) for number in range(8 if megabytes < 500 else 2)]

    def highest(self, friends: int) -> float:
        """MB the merging process had at most, imports included, for this many updates."""
        with self._child() as child:
            opened = child.ask("open", job=self._ready["job"], spec=self._spec, state=None)
            assert opened["fact"] == "opened", opened
            child.merge(1, self._ready["model"], self._updates[:friends])
            return memory(child.process.pid, "VmHWM")

    def _update(self, child: FederationChild, number: int) -> Words:
        path = self.home / "update"
        made_by = Origin(friend(number), self.job.run, 1)
        digest = child.blobs.adopt(path, models.write_update(path, self.job, number, made_by))
        metrics = {"loss": 2.0, "tokens": 100}
        return {"node": friend(number), "digest": digest, "tokens": 100, "share": 1.0, "metrics": metrics}

    def _child(self) -> FederationChild:
        return FederationChild(self.home, PATIENCE)
