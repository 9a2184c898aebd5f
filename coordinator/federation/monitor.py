"""TensorBoard events of a run, written without torch or TensorFlow. The step is the round."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from shared.disk import private_folder


class Monitor:
    """One events file for the life of this process, begun with the first round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: EventFileWriter | None = None

    def write(self, group: str, round_: int, values: Mapping[str, float]) -> None:
        """Add `group`/NAME for each value and put it on the disk. A round told twice is two points on the same step."""
        if self._writer is None:
            self._writer = EventFileWriter(str(private_folder(self._folder)))
        points = [Summary.Value(tag=f"{group}/{name}", simple_value=value) for name, value in sorted(values.items())]
        self._writer.add_event(Event(wall_time=time.time(), step=round_, summary=Summary(value=points)))
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
