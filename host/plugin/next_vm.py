"""The VM that takes over next: built off the loop, at once or behind a pause, and kept until it is wanted."""

from __future__ import annotations

from collections.abc import Callable

from host.plugin import lines
from host.plugin.backoff import Backoff
from host.plugin.build import Built
from host.plugin.services import Services
from host.plugin.settings import FailurePolicy, PluginSettings


class NextVm:
    """A spare, if one is wanted, and the building of the next VM."""

    def __init__(
        self,
        settings: PluginSettings,
        services: Services,
        work: Callable[[], Callable[[], Built]],
        arrived: Callable[[Built | BaseException], None],
    ) -> None:
        """`work` returns what builds a VM on another thread, `arrived` gets what came of it on this one."""
        self._settings = settings
        self._services = services
        self._work = work
        self._arrived = arrived
        self._backoff = Backoff(settings.reload_pause, settings.longest_reload_pause)
        self._spare: Built | None = None
        self._is_building = self._is_closed = False
        self.is_held = False

    @property
    def spare(self) -> Built | None:
        """The VM that stands by."""
        return self._spare

    @property
    def wants_spare(self) -> bool:
        """Whether a VM that nobody needs now is kept."""
        is_reloading = self._settings.policy is FailurePolicy.FAIL_RELOAD
        return self._settings.keep_spare and is_reloading and not self._is_closed

    def keep(self, built: Built | None) -> None:
        """Have this VM as the spare, if one is wanted; None: the one there was is of no use any more."""
        replaced, self._spare = self._spare, built if self.wants_spare else None
        for each in (replaced, built):
            if each is not None and each is not self._spare:
                each.free()

    def take(self) -> Built | None:
        """Return the spare, which is then the caller's; None when there is none, or it must wait."""
        if self.is_held:
            return None
        taken, self._spare = self._spare, None
        return taken

    def build(self) -> None:
        """Build one, unless there is one or one is under way."""
        if self._is_building or self._is_closed or self._spare is not None:
            return
        self._is_building = True
        self._services.in_background(self._work(), self._built)

    def _built(self, result: Built | BaseException) -> None:
        self._is_building = False
        lines.deliver()
        if not self._is_closed:
            self._arrived(result)
        elif not isinstance(result, BaseException):
            result.free()

    def build_after_failure(self) -> None:
        """Build one at once after a first failure, and behind growing pauses when they follow each other."""
        self._backoff.count(self._services.now())
        pause = self._backoff.pause()
        if pause:
            self._services.call_later(pause, self.build)
        else:
            self.build()

    def hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Give no VM for so long, even if there is one; `then` is called at the end. Held already: no longer."""
        if self.is_held:
            return

        def release() -> None:
            self.is_held = False
            then()

        self.is_held = True
        self._services.call_later(seconds, release)

    def close(self) -> None:
        """Build no more, and let go of whom the VMs were for."""
        self._is_closed = True
        self._work, self._arrived = _nothing, _nobody
        self.keep(None)


def _nobody(result: Built | BaseException) -> None:
    """The VM is for no one any more."""


def _nothing() -> Callable[[], Built]:
    raise AssertionError("a supply that is closed builds no VM")
