"""A plugin: one entry of `wasm.plugins` in this worker, with its VM, a warm spare, and its contexts.

A VM that traps is replaced at once by the spare, on which all contexts are configured already; the next spare is built
off the loop. Repeated traps are answered with growing, jittered pauses.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin import lines, streams
from host.plugin.context import PluginContext, RootContext, StartRefused
from host.plugin.services import Services
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, VmSettings, WasmVM, new_serial


class FailurePolicy(Enum):
    """What becomes of a plugin after its VM has failed (Envoy's names)."""

    FAIL_RELOAD = "fail_reload"
    FAIL_CLOSED = "fail_closed"
    FAIL_OPEN = "fail_open"


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What an operator says of a plugin. `reload_pause`: seconds before the second reload in a row; it doubles."""

    name: str
    root_id: str = ""
    policy: FailurePolicy = FailurePolicy.FAIL_RELOAD
    vm: VmSettings = field(default_factory=VmSettings)
    keep_spare: bool = True
    reload_pause: float = 1.0
    longest_reload_pause: float = 60.0


@dataclass(slots=True)
class _Built:
    """A VM with a root for each configuration."""

    vm: WasmVM
    roots: dict[bytes, RootContext]


class Plugin:
    """A plugin in this worker. Not thread-safe: the thread that owns it calls everything."""

    def __init__(self, settings: PluginSettings, module: Module, services: Services) -> None:
        self.settings = settings
        self.module = module
        self.failures = 0
        self.last_failure: GuestFailed | None = None
        self._services = services
        self._contexts: dict[bytes, PluginContext] = {}
        self._current: _Built | None = None
        self._spare: _Built | None = None
        self._building = False
        self._closed = False
        self._failed_in_a_row = 0
        self._failed_at = 0.0

    def __repr__(self) -> str:
        state = "closed" if self._closed else "up" if self._current is not None else "down"
        spare = ", spare" if self._spare is not None else ""
        counts = f"contexts: {len(self._contexts)}, failures: {self.failures}"
        return f"<Plugin {self.settings.name} [{state}{spare}, {counts}]>"

    @property
    def vm(self) -> WasmVM | None:
        """The VM that new streams go to; None while the plugin is down."""
        return self._current.vm if self._current is not None else None

    @property
    def spare(self) -> WasmVM | None:
        """The VM that stands by."""
        return self._spare.vm if self._spare is not None else None

    def context(self, configuration: bytes) -> PluginContext:
        """Return the context of this configuration; the first use of one creates it on the VM.

        Raises PluginStartError when the guest traps or refuses the configuration; nothing else is harmed then, but
        that a VM which trapped is built anew.
        """
        context = self._contexts.get(configuration)
        if context is None:
            context = self._add_context(configuration)
        context.users += 1
        return context

    def _add_context(self, configuration: bytes) -> PluginContext:
        current = self._current
        context = PluginContext(
            configuration,
            fail_open=self.settings.policy is FailurePolicy.FAIL_OPEN,
            writes_bodies=self.module.writes_bodies,
        )
        try:
            if current is None:
                current = self._build([*self._contexts, configuration])
            else:
                self._configure(current, [configuration])
        except (GuestFailed, StartRefused) as error:
            if current is not None and current.vm.is_failed:
                self.recover()
            lines.deliver()
            raise PluginStartError(self.settings.name, str(error)) from error
        self._contexts[configuration] = context
        self._adopt(current)
        self._spare = None  # it lacks the new configuration
        self._prepare_spare()
        self.after_guest()
        return context

    def release(self, context: PluginContext) -> None:
        """Give a context back; with its last user it is done and deleted."""
        context.users -= 1
        if context.users:
            return
        self._contexts.pop(context.configuration, None)
        root = context.root
        context.bind(None)
        for built in (self._current, self._spare):
            if built is not None:
                built.roots.pop(context.configuration, None)
        if root is not None:
            self._end(root)

    def _end(self, root: RootContext) -> None:
        """Done and delete; a guest that defers its end is given some seconds to call proxy_done."""
        try:
            if root.done():
                root.delete()
            else:
                self._services.call_later(1.0, lambda: self._end_deferred(root, 5))
        except GuestFailed as error:
            self._services.event(LogLevel.ERROR, error.reason, self.settings.name)
            self.recover()
        lines.deliver()

    def _end_deferred(self, root: RootContext, tries: int) -> None:
        if not root.is_done and tries and not self._closed:
            self._services.call_later(1.0, lambda: self._end_deferred(root, tries - 1))
            return
        try:
            root.delete()
        except GuestFailed as error:
            self._services.event(LogLevel.ERROR, error.reason, self.settings.name)
        lines.deliver()

    def close(self) -> None:
        """End all contexts and drop the VMs. Streams in flight keep theirs until they end."""
        self._closed = True
        for context in list(self._contexts.values()):
            context.users = 1
            self.release(context)
        self._current = self._spare = None

    # --- VMs

    def _build(self, configurations: list[bytes]) -> _Built:
        serial = new_serial()
        lines.register(serial, self.settings.name, self._services.guest_lines)
        vm = WasmVM(self.module, self.settings.vm, serial)
        lines.forget_with(vm)
        built = _Built(vm, {})
        self._configure(built, configurations)
        built.vm.serve()
        return built

    def _configure(self, built: _Built, configurations: list[bytes]) -> None:
        for configuration in configurations:
            root_id = self.settings.root_id or self.settings.name
            built.roots[configuration] = RootContext(built.vm, self.settings.name, root_id, configuration)

    def _adopt(self, built: _Built | None) -> None:
        self._current = built
        for configuration, context in self._contexts.items():
            root = built.roots.get(configuration) if built is not None else None
            if context.root is not root:
                context.bind(root)

    def _prepare_spare(self) -> None:
        wanted = self.settings.keep_spare and self.settings.policy is FailurePolicy.FAIL_RELOAD
        if (
            wanted
            and not self._building
            and not self._closed
            and self._current is not None
            and self._spare is None
        ):
            self._build_in_background(self._keep_spare)

    def _build_in_background(self, keep: Callable[[_Built], None]) -> None:
        configurations = list(self._contexts)
        self._building = True

        def done(result: _Built | BaseException) -> None:
            self._building = False
            lines.deliver()
            if self._closed:
                return
            if isinstance(result, BaseException):
                self._services.event(
                    LogLevel.ERROR, f"a new VM did not come up: {result}", self.settings.name
                )
                if self._current is None:
                    self._reload_later()
            elif set(result.roots) == set(self._contexts):
                keep(result)
            else:  # configurations came or went meanwhile
                self._build_in_background(keep)

        self._services.in_background(lambda: self._build(configurations), done)

    def _keep_spare(self, built: _Built) -> None:
        if self._current is None:
            self._adopt(built)
            self.after_guest()
            self._prepare_spare()
        else:
            self._spare = built

    # --- failure

    def recover(self) -> None:
        """Look whether the VM has failed and act on it. Called behind everything that enters the guest."""
        current = self._current
        if current is None or not current.vm.is_failed:
            return
        self.failures += 1
        self.last_failure = current.vm.failure
        self._services.event(LogLevel.ERROR, f"the VM has failed: {self.last_failure}", self.settings.name)
        self._adopt(self._take_spare())
        streams.settle_streams_of(current.vm)
        self.after_guest()
        if self.settings.policy is FailurePolicy.FAIL_RELOAD and not self._closed:
            self._count_failure()
            self._reload_later()

    def _take_spare(self) -> _Built | None:
        spare, self._spare = self._spare, None
        return spare

    def _count_failure(self) -> None:
        now = time.monotonic()
        is_repeated = now - self._failed_at < self.settings.longest_reload_pause
        self._failed_in_a_row = min(self._failed_in_a_row + 1, 16) if is_repeated else 1
        self._failed_at = now

    def _reload_later(self) -> None:
        """Build the next VM: the first at once, further ones in a row after a pause (full jitter)."""
        pause = self.settings.reload_pause * 2 ** max(0, self._failed_in_a_row - 2)
        pause = 0.0 if self._failed_in_a_row <= 1 else min(pause, self.settings.longest_reload_pause)
        if pause == 0.0:
            self._reload()
        else:
            self._services.call_later(pause * random.uniform(0.5, 1.0), self._reload)

    def _reload(self) -> None:
        if not self._building and not self._closed and self._spare is None:
            self._build_in_background(self._keep_spare)

    # --- behind every entry into the guest

    def after_guest(self) -> None:
        """Do what a guest has asked for beside its result: ticks; and see to log lines and failures."""
        for context in self._contexts.values():
            context.arm(self._services, self._after_tick)
        lines.deliver()
        self.recover()

    def _after_tick(self) -> None:
        streams.settle_woken()
        self.after_guest()
