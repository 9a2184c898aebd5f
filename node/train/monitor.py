"""TensorBoard events of the training on this PC, written without TensorBoard's heavy front door."""

from __future__ import annotations

import time
from pathlib import Path

from shared.disk import private_folder


class Monitor:
    """Writes scalars into `folder`; without one it does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = None
        if folder is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        private_folder(folder)
        self._event = Event
        self._writer = EventFileWriter(str(folder))

    def show(self, step: int, **values: float) -> None:
        """One point of each curve; `step` counts optimizer steps of the whole run on this PC."""
        if self._writer is None:
            return
        event = self._event(wall_time=time.time(), step=step)
        for tag, value in values.items():
            event.summary.value.add(tag=tag, simple_value=value)
        self._writer.add_event(event)
        self._writer.flush()
