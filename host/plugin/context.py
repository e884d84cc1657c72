"""A plugin context: one configuration of a plugin, and the filter through which routes use it.

It outlives VMs: when one dies, the context is made anew on the next.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from host._core import ffi, lib
from host.hot import Capsule, capsule, deliver_http_call
from host.plugin.copies import RootCopy
from host.plugin.delivery import Delivery
from host.plugin.guests import Guest
from host.plugin.services import Services, Timer
from host.plugin.settings import FailurePolicy, RootKey
from host.plugin.streams import ANY
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM


class StartRefused(Exception):
    """proxy_on_vm_start or proxy_on_configure returned false; the text names the callback."""


class RootContext:
    """A plugin context on one VM: the guest's side of a `PluginContext`."""

    def __init__(self, guest: Guest, vm: WasmVM, key: RootKey, copied: RootCopy | None = None) -> None:
        """Create, start and configure it on the guest's VM (in that order: context_create, vm_start, configure).

        `copied`: the VM is a copy, whose guest has done all this under that id.

        Raises GuestFailed when the guest traps, StartRefused when it says no.
        """
        if copied is not None:
            lib.sw_vm_set_next_id(vm.pointer, copied.id)
        self.guest, self.vm, self.key = guest, vm, key
        self.is_hurried = False
        self.pointer = _new_native(vm, key)
        self._handle = capsule(self.pointer)
        self.id = int(lib.sw_context_id(self.pointer))
        self._timer: Timer | None = None
        self._period = 0
        self._is_asked = False
        guest.root_begins(self.id, self)
        try:
            if copied is None:
                self._start(len(key.key.configuration))
            elif copied.tick_period:
                lib.sw_context_set_tick_period(self.pointer, copied.tick_period)
        except BaseException:
            guest.root_ended(self.id)
            lib.sw_context_delete_root(self.pointer)  # here and now: this thread goes on with the VM
            raise
        self._finalizer = weakref.finalize(self, _forgotten.append, self.pointer)
        self._finalizer.atexit = False

    def _start(self, configuration_size: int) -> None:
        self.vm.call("proxy_on_context_create", self.pointer, self.id, 0)
        self._ask("proxy_on_vm_start", len(self.vm.settings.configuration))
        self._ask("proxy_on_configure", configuration_size)

    def _ask(self, callback: str, size: int) -> None:
        if self.vm.call(callback, self.pointer, self.id, size) == 0:
            raise StartRefused(f"{callback} returned false; the plugin's log lines may say why")

    def deliver(self, callback: str, delivery: Delivery, *arguments: int) -> None:
        """Call a callback that brings something along, then see to what the guest asked for in it.

        `arguments`: those behind the context's id. Nothing is called on a VM that has failed, and a trap is for the
        plugin's failure policy. Must not be called while the guest is: work that a host call starts ends later.
        """
        with suppress(GuestFailed):
            self.vm.deliver(callback, self.pointer, delivery.pointer, self.id, *arguments)
        self.guest.after_delivery()

    def deliver_http_call(self, delivery: Capsule, token: int) -> None:
        """`deliver` for the outcome of an HTTP call; empties the delivery."""
        self.guest.after_delivery(deliver_http_call(self._handle, delivery, token))

    # --- ticks

    def follow_ticks(self, services: Services, after: Callable[[int], None]) -> None:
        """Follow the guest's tick period if it has set one; `after` is called behind every tick, with any flags.

        A period set again replaces the old one; a slow tick is not made up for (Envoy re-arms behind each).
        """
        period = lib.sw_context_take_tick(self.pointer)
        if period < 0:
            return
        self.stop_ticks()
        self._period = int(period)
        if self._period:
            self._timer = services.call_later(self._period / 1000, lambda: self._tick(services, after))

    @property
    def tick_period(self) -> int:
        """The period that the guest has set, in milliseconds; 0: none."""
        return int(lib.sw_context_tick_period(self.pointer))

    @property
    def is_ticking(self) -> bool:
        """Whether proxy_on_tick will be called."""
        return self._timer is not None

    def stop_ticks(self) -> None:
        """Call proxy_on_tick no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._period = 0

    def _tick(self, services: Services, after: Callable[[int], None]) -> None:
        self._timer = None
        if self.vm.is_failed:
            return
        with suppress(GuestFailed):  # `after` sees to a failed VM
            self.vm.call("proxy_on_tick", self.pointer, self.id)
            self.follow_ticks(services, after)
            if self._timer is None and self._period:
                self._timer = services.call_later(self._period / 1000, lambda: self._tick(services, after))
        after(ANY)

    # --- the end

    @property
    def streams(self) -> int:
        """Stream contexts that are still there."""
        return int(lib.sw_context_streams(self.pointer))

    @property
    def is_deferred(self) -> bool:
        """Whether the guest has answered on_done with false and not called proxy_done yet."""
        return self._is_asked and bool(lib.sw_context_is_done_pending(self.pointer))

    def retire(self) -> None:
        """Have the core say when the last stream has left: no new ones come."""
        lib.sw_context_retire(self.pointer)

    def end(self) -> bool:
        """Go as far towards the end as can be; returns whether it is there. It never is on a VM that has failed.

        proxy_on_done comes when the last stream has gone (as in Envoy, whose streams hold the plugin), proxy_on_log and
        proxy_on_delete when the guest has agreed. One that is hurried need not agree.
        """
        if self.vm.is_failed or self.streams:
            return False
        with suppress(GuestFailed):
            if not self._is_asked:
                self._is_asked = True
                lib.sw_context_defer_done(self.pointer, True)
                if self.vm.call("proxy_on_done", self.pointer, self.id) != 0:
                    lib.sw_context_defer_done(self.pointer, False)
            if self.is_deferred and not self.is_hurried:
                return False
            self.vm.call("proxy_on_log", self.pointer, self.id)
            self.vm.call("proxy_on_delete", self.pointer, self.id)
            return True
        return False

    def free(self) -> None:
        """Forget the guest's context, which has ended or whose VM has failed. No filter is bound to it any more."""
        self.stop_ticks()
        self.guest.root_ended(self.id)
        if self._finalizer.detach() is not None:
            lib.sw_context_delete_root(self.pointer)


_forgotten: deque[Any] = deque()


def free_forgotten() -> None:
    """Free contexts that nobody holds any more: on the thread that owns their VMs, with no guest on its stack.

    The collector finds them on any thread and in the midst of anything.
    """
    while _forgotten:
        lib.sw_context_delete_root(_forgotten.popleft())


def _new_native(vm: WasmVM, key: RootKey) -> Any:
    name, root_id = key.settings.name.encode(), key.settings.root_id.encode()
    configuration = key.key.configuration
    native = lib.sw_context_new_root(
        vm.pointer, name, len(name), root_id, len(root_id), configuration, len(configuration)
    )
    if native == ffi.NULL:
        raise MemoryError("no memory for a plugin context")
    return native


class PluginContext:
    """One configuration of a plugin as routes see it. `filter` goes into chains and stays the same over VMs."""

    def __init__(self, root_key: RootKey, module: Module) -> None:
        settings, self.root_key = root_key.settings, root_key
        fails_open = settings.policy is FailurePolicy.FAIL_OPEN
        allowed = settings.vm.allowed_capabilities
        native = lib.sw_filter_new_wasm(fails_open, module.writes_bodies(allowed))
        self.filter = ffi.gc(native, lib.sw_filter_delete)
        lib.sw_filter_take_bodies(
            self.filter, module.takes_request_bodies(allowed), module.takes_response_bodies(allowed)
        )
        lib.sw_filter_limit_bodies(
            self.filter, settings.max_request_body_size, settings.max_response_body_size
        )
        holds_heads = settings.allow_on_headers_stop_iteration or module.holds_heads
        lib.sw_filter_stop_head_alone(self.filter, holds_heads)
        if root_key.key.access_logger:
            lib.sw_filter_only_log(self.filter)
        self.root: RootContext | None = None
        self.users = 0

    def bind(self, root: RootContext | None) -> None:
        """Send new streams to this root; None: the plugin is down."""
        self.root = root
        lib.sw_filter_bind(self.filter, root.pointer if root is not None else ffi.NULL)
