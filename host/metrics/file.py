"""What the supervisor holds of its workers' metrics. The core, which it does not need for this, is not imported."""

from __future__ import annotations

import mmap
import os

from host.metrics.layout import SIZE, Metric, read


class MetricsFile:
    """The mapping of one workplace, held by the supervisor over the deaths of its workers."""

    def __init__(self, name: str) -> None:
        """`name` is for who looks at the process's descriptors. Raises OSError."""
        self.descriptor = os.memfd_create(name)
        os.ftruncate(self.descriptor, SIZE)
        self._mapping = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ)

    def read(self) -> list[Metric]:
        """Return the metrics of the worker, or of the last one there was."""
        return read(memoryview(self._mapping))
