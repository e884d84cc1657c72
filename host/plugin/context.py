"""A plugin context: one configuration of a plugin, and the filter through which routes use it.

It outlives VMs: when one dies, the context is made anew on the next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from host._core import ffi, lib
from host.plugin.delivery import Delivery
from host.plugin.guests import Guest
from host.plugin.services import Services, Timer
from host.wasm.vm import GuestFailed, WasmVM


class StartRefused(Exception):
    """proxy_on_vm_start or proxy_on_configure returned false; the text names the callback."""


class RootContext:
    """A plugin context on one VM: the guest's side of a `PluginContext`."""

    def __init__(self, guest: Guest, vm: WasmVM, configuration: bytes) -> None:
        """Create, start and configure it on the guest's VM (in that order: context_create, vm_start, configure).

        Raises GuestFailed when the guest traps, StartRefused when it says no.
        """
        self.guest = guest
        self.vm = vm
        encoded_name, encoded_root = guest.settings.name.encode(), guest.settings.root_id.encode()
        native = lib.sw_context_new_root(
            vm.pointer,
            encoded_name,
            len(encoded_name),
            encoded_root,
            len(encoded_root),
            configuration,
            len(configuration),
        )
        if native == ffi.NULL:
            raise MemoryError("no memory for a plugin context")
        self.pointer = ffi.gc(native, lib.sw_context_delete_root)
        self.id = int(lib.sw_context_id(native))
        guest.roots[self.id] = self
        try:
            vm.call("proxy_on_context_create", native, self.id, 0)
            self._ask("proxy_on_vm_start", len(vm.settings.configuration))
            self._ask("proxy_on_configure", len(configuration))
        except (GuestFailed, StartRefused):
            guest.root_ended(self.id)
            raise

    def _ask(self, callback: str, size: int) -> None:
        if self.vm.call(callback, self.pointer, self.id, size) == 0:
            raise StartRefused(f"{callback} returned false; the plugin's log lines may say why")

    def tick(self) -> None:
        """Call proxy_on_tick. Raises GuestFailed."""
        self.vm.call("proxy_on_tick", self.pointer, self.id)

    def deliver(self, callback: str, delivery: Delivery, *arguments: int) -> None:
        """Call a callback that brings something along, then see to what the guest asked for in it.

        `arguments`: those behind the context's id. Nothing is called on a VM that has failed, and a trap is for the
        plugin's failure policy. Must not be called while the guest is: work that a host call starts ends later.
        """
        with suppress(GuestFailed):
            self.vm.deliver(callback, self.pointer, delivery.pointer, self.id, *arguments)
        self.guest.after_delivery()

    def take_tick_period(self) -> int | None:
        """Return the period in milliseconds (0: none) if the guest has set it since the last time."""
        period = lib.sw_context_take_tick(self.pointer)
        return None if period < 0 else int(period)

    def done(self) -> bool:
        """Ask proxy_on_done; False when the guest wants to finish work first (it then calls proxy_done)."""
        if self.vm.is_failed:
            return True
        lib.sw_context_defer_done(self.pointer, True)
        answer = self.vm.call("proxy_on_done", self.pointer, self.id)
        if answer == 0 and lib.sw_context_is_done_pending(self.pointer):
            return False
        lib.sw_context_defer_done(self.pointer, False)
        return True

    @property
    def is_done(self) -> bool:
        """Whether a deferred end has come, or the VM has failed."""
        return self.vm.is_failed or not lib.sw_context_is_done_pending(self.pointer)

    def delete(self) -> None:
        """Call proxy_on_log and proxy_on_delete; what it has begun ends with it."""
        try:
            if not self.vm.is_failed:
                self.vm.call("proxy_on_log", self.pointer, self.id)
                self.vm.call("proxy_on_delete", self.pointer, self.id)
        finally:
            self.guest.root_ended(self.id)


class PluginContext:
    """One configuration of a plugin as routes see it. `filter` goes into chains and stays the same over VMs."""

    def __init__(
        self,
        configuration: bytes,
        *,
        fail_open: bool,
        writes_bodies: bool,
        request_limit: int,
        response_limit: int,
        stops_head_alone: bool,
        access_logger: bool,
    ) -> None:
        """The limits are bytes that a stream may hold of a body for this context while it pauses; 0: the chain's."""
        self.configuration = configuration
        self.filter = ffi.gc(lib.sw_filter_new_wasm(fail_open, writes_bodies), lib.sw_filter_delete)
        lib.sw_filter_limit_bodies(self.filter, request_limit, response_limit)
        lib.sw_filter_stop_head_alone(self.filter, stops_head_alone)
        if access_logger:
            lib.sw_filter_only_log(self.filter)
        self.root: RootContext | None = None
        self.users = 0
        self._timer: Timer | None = None
        self._period = 0

    def bind(self, root: RootContext | None) -> None:
        """Send new streams to this root; None: the plugin is down."""
        self.root = root
        lib.sw_filter_bind(self.filter, root.pointer if root is not None else ffi.NULL)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def retire(self) -> None:
        """Take no new streams any more; ticks go on until `bind(None)`."""
        lib.sw_filter_bind(self.filter, ffi.NULL)

    @property
    def is_done(self) -> bool:
        """Whether a deferred end has come."""
        return self.root is None or self.root.is_done

    def arm(self, services: Services, after: Callable[[], None]) -> None:
        """Follow the guest's tick period; `after` is called behind every tick.

        A period set again replaces the old one; a slow tick is not made up for (Envoy re-arms behind each).
        """
        root = self.root
        period = root.take_tick_period() if root is not None else None
        if period is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._period = period
        if period:
            self._timer = services.call_later(period / 1000, lambda: self._tick(services, after))

    def _tick(self, services: Services, after: Callable[[], None]) -> None:
        root, self._timer = self.root, None
        if root is None or root.vm.is_failed:
            return
        with suppress(GuestFailed):  # `after` sees to a failed VM
            root.tick()
            self.arm(services, after)
            if self._timer is None and self._period:
                self._timer = services.call_later(self._period / 1000, lambda: self._tick(services, after))
        after()
