"""What exchanges and connections under test have in common: a native stream that tells of its progress, and an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

from host.stream import Stream


class Tells(Stream):
    """Tells of progress that no event of its own made: a resume from a tick, a VM that died under another stream."""

    __slots__ = ()
    ready: Callable[[int], None]  # a slot of each class that is made of this one

    def on_ready(self, flags: int) -> None:
        """Go on after a resume from elsewhere."""
        self.ready(flags)


Native = TypeVar("Native", bound=Tells)


class Hosted(Generic[Native]):
    """A stream that runs through a chain. `is_reset`: it was cut off."""

    def __init__(self, native: Native, after: Callable[[], None], request_id: str) -> None:
        """`after` runs behind every event."""
        self.is_reset = False
        self._native, self._after = native, after
        native.ready = self._take
        native.request_id = request_id

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return self._native.is_open

    def close(self) -> None:
        """End it: on_log, on_done, on_delete, in the order of its kind. Idempotent; `with` does it too."""
        if not self.is_open:
            return
        self._before_close()
        self._native.close()
        self._native.ready = _ignore  # no cycle is left: the native stream goes with this object
        self._after()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _before_close(self) -> None:
        """What is to be done while it is open still."""

    def _take(self, flags: int) -> None:
        """Take what may leave now."""
        raise NotImplementedError


def _ignore(flags: int) -> None:
    """Take flags of a stream that is over."""
