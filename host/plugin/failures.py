"""What is noted of VMs that have failed, and when they have overrun too often."""

from __future__ import annotations

from collections.abc import Iterable

from abi.types import LogLevel
from host.plugin.breaker import Overruns
from host.plugin.counts import Counts, What
from host.plugin.metrics import count_event, count_failure
from host.plugin.services import Services
from host.plugin.settings import PluginSettings
from host.wasm.vm import GuestFailed, WasmVM


class Failures:
    """Counts failures, says them, and judges whether the circuit has to open."""

    def __init__(self, settings: PluginSettings, services: Services) -> None:
        self._settings = settings
        self._services = services
        self.counts = Counts()
        self._overruns = Overruns(settings.circuit_breaker)
        self.last: GuestFailed | None = None

    def note(self, vm: WasmVM, plugins: Iterable[str], *, may_open: bool = True) -> bool:
        """Note why a VM has failed, for these plugins; returns whether it was one overrun too many.

        `may_open`: whether there would be a next VM, for the circuit to keep back.
        """
        self.count("failed")
        self.last = vm.failure
        count_failure(self._services.metrics, self._settings.name, self.last)
        self.tell(LogLevel.ERROR, f"the VM has failed: {self.last}", plugins)
        if not self.last.kind.is_overrun:
            return False
        self.count("overruns")
        if not may_open or not self._overruns.count(self._services.now()):
            return False
        self.count("circuit_openings")
        seconds = self._settings.circuit_breaker.open_time
        self.tell(LogLevel.ERROR, f"too many overruns: the circuit is open for {seconds:g} s", plugins)
        return True

    def count(self, what: What) -> None:
        """Count something in `counts`, and for whoever scrapes."""
        setattr(self.counts, what, getattr(self.counts, what) + 1)
        count_event(self._services.metrics, self._settings.name, what)

    def tell(self, level: LogLevel, message: str, plugins: Iterable[str]) -> None:
        """Say something of each of these plugins, of the first one's entry if there are none."""
        for name in dict.fromkeys(plugins) or [self._settings.name]:
            self._services.event(level, message, name)
