"""The calls that every request makes, past cffi: the Python face of core/cpython/hot.c.

What a call needs of native objects is given as capsules, which `capsule` makes of cffi pointers; whoever holds one
keeps the object alive. Everything else of the core is called by `host._core`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
from typing import Any

from host._core import __file__ as _library
from host._core import ffi

Capsule = Any
Target = tuple[bytes, bytes, bytes]
""":authority, :method, path without query."""


def _module() -> Any:
    """Load the second module of the library (PEP 489, "Multiple modules in one library")."""
    loader = ExtensionFileLoader("_hot", _library)
    module = module_from_spec(ModuleSpec("_hot", loader, origin=_library))
    loader.exec_module(module)
    return module


_hot = _module()


def capsule(pointer: Any) -> Capsule:
    """Return the capsule of a cffi pointer. Raises ValueError for a type that none of the calls takes."""
    return _hot.capsule(
        int(ffi.cast("uintptr_t", pointer)), ffi.typeof(pointer).item.cname.removeprefix("struct ")
    )


header: Callable[[Capsule, bytes], bytes | None] = _hot.header
"""(sw_headers, name): the first value of that name, whatever its case."""

judge_request: Callable[[Capsule, Capsule, bytes, int], tuple[int, Target]] = _hot.judge_request
"""(sw_judge, sw_headers, data, at): the head as core/message.h says, and its target if it is good."""

pass_request: Callable[[Capsule, int, Capsule, Capsule, Capsule, bytes], tuple[int, bytes | None]]
pass_request = _hot.pass_request
"""(sw_stream, its number, sw_chain, sw_peer, sw_client, host): open the exchange with a request that has no body.

Returns what the filters let leave, and the head to be sent if that is the whole request, and can be written.
Raises MemoryError.
"""

judge_response: Callable[[Capsule, int, bytes, int, Capsule], int] = _hot.judge_response
"""(sw_judge, flags of the request, data, at, sw_headers): the head as core/message.h says."""

pass_response: Callable[[Capsule, int, bytes, int, Capsule, int, bool], tuple[int, int, bytes | None]]
pass_response = _hot.pass_response
"""(sw_judge, flags of the request, data, at, sw_stream, flags for the writer, recounts): judge, and pass what is whole.

Returns the head, what the filters let leave (-1: they have not seen it), and the whole response to be sent if that is
what leaves.
"""

settle_request: Callable[[Capsule, Capsule, bytes], tuple[int, bytes | None]] = _hot.settle_request
"""(sw_stream, sw_client, host): go on with an exchange whose request has no body.

Returns what the filters let leave, and the head to be sent if that is the whole request, and can be written.
"""

set_upstream: Callable[[Capsule, Capsule], None] = _hot.set_upstream
close_stream: Callable[[Capsule], int] = _hot.close_stream
next_woken: Callable[[], int] = _hot.next_woken
"""(): number of a stream that was resumed from elsewhere and is to be settled now; -1: there is none."""

Begin = Callable[[int, str, bytes, int, int, bytes, int, bytes, bytes, bool], int]
serve_http_calls: Callable[[Begin], None] = _hot.serve_http_calls
"""(begin): have this called for each HTTP call of a guest.

Its arguments: the VM's serial, shifted by 32, and the id of the plugin context; the upstream's name; the head of the
request; what it says of the content, as the writer takes it; the judge's flags for the response; the content; the
milliseconds that it may take, 0: the longest there may be; fields and trailers as the guest gave them (b"": no
trailers); whether :scheme is https. It returns the call's number, or a Status with its sign changed.
"""

take_call_response: Callable[[Capsule, int, bytes, int, Capsule, int], tuple[int, bool]]
take_call_response = _hot.take_call_response
"""(sw_judge, flags of the request, data, at, sw_delivery, most bytes of content): judge a response into a delivery.

Returns the head, and whether that was a whole response, whose content is in the delivery too.
"""

deliver_http_call: Callable[[Capsule, Capsule, int], int] = _hot.deliver_http_call
"""(sw_context of a plugin context, sw_delivery, the call's number): give the guest what is in the delivery, which is
empty afterwards.

Returns flags of what has to be seen to, as events of streams do.
"""
