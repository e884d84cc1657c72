"""Foreign functions: what a guest calls by name with proxy_call_foreign_function, and answers that come later.

The host's own are in foreign_builtin.py and foreign_crypto.py. A user adds more: for the whole process with the
decorator `foreign_function`, or for one gateway by its configuration.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from abi.types import BufferType, LogLevel, Status
from host._core import ffi, lib
from host.plugin import streams
from host.plugin.delivery import Delivery
from host.plugin.guests import Guest, guest_of
from host.plugin.shared_data import SharedState
from host.store import Space
from host.wasm.vm import GuestFailed

logger = logging.getLogger("sluiceway.plugin")

_SLOW = 0.050
"""Seconds. A function runs on the event loop, and no request moves meanwhile: one that takes longer is told of."""


class ForeignFunctionError(Exception):
    """Raised by a function to answer with a status other than OK; the reason is logged, if there is one."""

    def __init__(self, status: Status, reason: str = "") -> None:
        super().__init__(reason or status.name)
        self.status, self.reason = status, reason


class ForeignAnswer:
    """An answer that comes after the call has returned: proxy_on_foreign_function under the context that had called."""

    def __init__(self, guest: Guest, root: int, context: int) -> None:
        self._guest, self._root, self._context = guest, root, context

    def send(self, arguments: bytes, function_id: int = 0) -> None:
        """Call back as soon as the guest is not busy. From any thread, and as often as wanted.

        `arguments` are the guest's to read as the buffer FOREIGN_FUNCTION_ARGUMENTS; what `function_id` means is
        between it and the function. Where the context is gone by then, nothing happens.
        """
        guest = self._guest

        def send() -> None:
            # Again `soon`: a VM that serves now may be in the midst of being adopted.
            guest.when_serving(lambda: guest.services.soon(lambda: self._deliver(arguments, function_id)))

        guest.services.soon(send)

    def _deliver(self, arguments: bytes, function_id: int) -> None:
        guest, vm = self._guest, self._guest.vm
        if vm is None or vm.is_failed or self._root not in guest.roots:
            return
        context = lib.sw_vm_find_context(vm.pointer, self._context)
        if context == ffi.NULL:
            return
        delivery = Delivery()
        delivery.append(BufferType.FOREIGN_FUNCTION_ARGUMENTS, arguments)
        with suppress(GuestFailed):  # after_delivery sees to it
            vm.deliver(
                "proxy_on_foreign_function",
                context,
                delivery.pointer,
                self._context,
                function_id,
                len(arguments),
            )
        guest.after_delivery()


class ForeignCall:
    """What a function is given. `arguments` is a copy of the guest's bytes; `context` the id of the calling context.

    `stream`: the exchange that the context belongs to, None for a plugin context.
    """

    __slots__ = ("_guest", "_root", "arguments", "context", "stream")

    def __init__(
        self, guest: Guest, root: int, context: int, stream: streams.NumberedStream | None, arguments: bytes
    ) -> None:
        self._guest, self._root = guest, root
        self.context, self.stream, self.arguments = context, stream, arguments

    @property
    def plugin(self) -> str:
        """The plugin's name."""
        return self._guest.settings.name

    def answer_later(self) -> ForeignAnswer:
        """Return what sends an answer, or several, after the function has returned."""
        return ForeignAnswer(self._guest, self._root, self.context)

    def log(self, level: LogLevel, message: str) -> None:
        """Write a line of the host's about the plugin."""
        self._guest.services.event(level, message, self.plugin)

    def shared_data(self) -> Space:
        """Return the shared data of the plugin's vm_id. Raises host.store.Refused when they cannot be had."""
        return self._guest.subject(SharedState).space()

    def declare_property(self, name: bytes, *, read_only: bool) -> bool:
        """Note how a property of the plugin's may be set; False when it has been noted already."""
        root = self._guest.roots.get(self._root)
        if root is None:
            return False
        if (result := lib.sw_context_declare(root.pointer, name, len(name), read_only)) < 0:
            raise MemoryError("no memory for a declaration")
        return bool(result == 0)


ForeignFunction = Callable[[ForeignCall], bytes | None]
"""Returns the result, None for none. It runs on the thread that runs the guest, the event loop's, and must not wait.

Raises ForeignFunctionError for a status of its choice; anything else is logged and becomes INTERNAL_FAILURE."""

REGISTERED: dict[str, ForeignFunction] = {}
BUILT_IN: dict[str, ForeignFunction] = {}


def foreign_function(name: str) -> Callable[[ForeignFunction], ForeignFunction]:
    """Register a function under this name for all plugins of the process, also in place of one of the host's own."""

    def register(function: ForeignFunction) -> ForeignFunction:
        REGISTERED[name] = function
        return function

    return register


class ForeignFunctions:
    """The functions of one gateway: those it is configured with, then the registered, then the host's own.

    `configured` serve; `tried` are those of a configuration that is being tried, where the serving one has none.
    """

    def __init__(self, configured: Mapping[str, ForeignFunction] | None = None) -> None:
        self.configured = dict(configured or {})
        self.tried: dict[str, ForeignFunction] = {}

    def settle(self, accepted: bool) -> None:
        """End the trial: what was tried serves from now on, or is forgotten."""
        if accepted:
            self.configured = self.tried
        self.tried = {}

    def find(self, name: str) -> ForeignFunction | None:
        """Return the function of this name."""
        for functions in (self.configured, self.tried, REGISTERED, BUILT_IN):
            if (found := functions.get(name)) is not None:
                return found
        return None


def call(functions: ForeignFunctions, name: str, of: ForeignCall) -> tuple[Status, bytes]:
    """Call a function; whatever it does, the outcome is a status and bytes."""
    function = functions.find(name)
    if function is None:
        return Status.NOT_FOUND, b""
    began = time.monotonic()
    try:
        result = function(of)
    except ForeignFunctionError as error:
        if error.reason:
            of.log(LogLevel.WARN, f"foreign function {name}: {error.status.name}: {error.reason}")
        return error.status, b""
    except Exception as error:
        of.log(LogLevel.ERROR, f"foreign function {name} failed: {error!r}")
        return Status.INTERNAL_FAILURE, b""
    if (took := time.monotonic() - began) > _SLOW:
        of.log(LogLevel.WARN, f"foreign function {name} held up the worker for {took * 1000:.0f} ms")
    if result is None:
        return Status.OK, b""
    if not isinstance(result, bytes | bytearray | memoryview):
        of.log(LogLevel.ERROR, f"foreign function {name} returned {type(result).__name__}, not bytes or None")
        return Status.INTERNAL_FAILURE, b""
    return Status.OK, bytes(result)


def _failed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logger.error("proxy_call_foreign_function failed", exc_info=(kind, error, trace))


@ffi.def_extern(name="sw_call_foreign_function", error=int(Status.INTERNAL_FAILURE), onerror=_failed)  # type: ignore[untyped-decorator]
def _call(
    vm: int,
    root: int,
    context: int,
    stream: int,
    name: Any,
    name_length: int,
    arguments: Any,
    length: int,
    result: Any,
) -> int:
    guest = guest_of(vm)
    if guest is None:
        return int(Status.INTERNAL_FAILURE)
    of = ForeignCall(
        guest,
        root,
        context,
        streams.stream_of(stream) if stream >= 0 else None,
        bytes(ffi.unpack(arguments, length)) if length else b"",
    )
    text = ffi.unpack(name, name_length).decode(errors="replace") if name_length else ""
    status, data = call(guest.services.foreign_functions, text, of)
    if data and not lib.sw_buffer_append(result, data, len(data)):
        return int(Status.INTERNAL_FAILURE)
    return int(status)
