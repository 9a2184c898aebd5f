"""TensorBoard events of the training on this PC, written without TensorBoard's heavy front door.

Two files, for two x axes: `steps/` counts optimizer steps, `rounds/` has the same tags by round as the host's own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shared.disk import private_folder

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter


class Monitor:
    """Writes scalars into `folder`; without one it does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._writers: dict[str, EventFileWriter] = {}
        if folder is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event = Event
        for axis in ("steps", "rounds"):
            self._writers[axis] = EventFileWriter(str(private_folder(folder / axis)))

    def show(self, step: int, **values: float) -> None:
        """One point of each curve `steps/NAME`; `step` counts optimizer steps of the whole run on this PC."""
        self._write("steps", "steps", step, values)

    def show_round(self, number: int, group: str, values: Mapping[str, float]) -> None:
        """One point of each curve `GROUP/NAME` by round; the groups are `train` and `held_out`, as on the host."""
        self._write("rounds", group, number, values)

    def _write(self, axis: str, group: str, step: int, values: Mapping[str, float]) -> None:
        if not self._writers:
            return
        event = self._event(wall_time=time.time(), step=step)
        for name, value in values.items():
            event.summary.value.add(tag=f"{group}/{name}", simple_value=value)
        self._writers[axis].add_event(event)
        self._writers[axis].flush()
