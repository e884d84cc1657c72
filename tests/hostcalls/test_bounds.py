"""Hostile addresses and sizes to each host call and WASI function: a status, never a crash, nothing written."""

from __future__ import annotations

import pytest

from abi import Status, WasiErrno
from abi.signature import HostFunction
from testdata import relay
from tests.hostcalls.relays import OUT, Run, exchange, start
from tests.plugin.guests import wat

END = 8 * 65536
"""The first address behind a relay's memory."""
HOSTILE = {
    "at the end": (END, 1),
    "beyond": (END + 1, 0),
    "far beyond": (0xFFFFFFFF, 1),
    "straddling": (END - 1, 2),
    "wrapping": (0xFFFFFFF0, 0x20),
    "whole address space": (0, 0xFFFFFFFF),
    "half of it": (0x80000000, 0x80000000),
}
# What the other arguments have to be for the range to be looked at.
FIRST = {
    "proxy_get_buffer_bytes": [0, 0, 100],
    "proxy_get_buffer_status": [0],
    "proxy_get_header_map_pairs": [0],
}


def is_out(name: str) -> bool:
    return name.startswith("return_")


def ranges(function: HostFunction) -> list[int]:
    """The positions of arguments that are addresses."""
    names = [parameter.name for parameter in function.parameters]
    return [at for at, name in enumerate(names) if is_out(name) or name.endswith("_data")]


CASES = [(function, at) for function in relay.calls() for at in ranges(function)]


def arguments(function: HostFunction, hostile_at: int, address: int, size: int) -> list[int]:
    """Good arguments, but for one range."""
    given = []
    for at, parameter in enumerate(function.parameters):
        if at == hostile_at:
            given.append(address)
        elif at == hostile_at + 1 and parameter.name.endswith("_size") and not is_out(parameter.name):
            given.append(size)
        elif is_out(parameter.name):
            given.append(OUT + 8 * at)
        elif parameter.name.endswith("_data"):
            given.append(0)
        elif parameter.name.endswith("_size"):
            given.append(5)
        elif parameter.name == "status_code" or "code" in parameter.name:
            given.append(200)
        else:
            given.append(0)
    for at, value in enumerate(FIRST.get(function.name, [])):
        if at != hostile_at:
            given[at] = value
    return given


@pytest.mark.parametrize(("function", "at"), CASES, ids=lambda value: getattr(value, "name", value))
def test_an_address_outside_is_an_invalid_memory_access(function: HostFunction, at: int) -> None:
    """In a phase where the call would do its work otherwise. The empty range behind the memory is none of it, either."""
    for what, (address, size) in HOSTILE.items():
        out = is_out(function.parameters[at].name)
        if out and address < END - 3:
            continue  # for an out-pointer only the address counts
        phase = "request_body" if "buffer" in function.name else "request_headers"
        there = (phase, "proxy_replace_header_map_value", 0, b"relay", b"v")  # so that a lookup finds it
        host = start(there, (phase, function.name, *arguments(function, at, address, size)))
        stream = exchange(host)
        _, status = Run(host, stream, "relay.wat").statuses
        assert status is Status.INVALID_MEMORY_ACCESS, what
        assert host.failures == 0
        assert stream.to_client.status == 200
        host.close()


WASI_RANGES = {"buf", "argv", "argv_buf", "environ", "environ_buf", "iovs", "in", "out"}


@pytest.mark.parametrize("function", relay.calls("relay_wasi.wat")[2:], ids=lambda function: function.name)
def test_wasi_bears_any_address(function: HostFunction) -> None:
    """An errno of those that WASI has; nothing fails but what exits."""
    for address, size in HOSTILE.values():
        for fd in (0, 1, 2):
            given = [fd, *[address, size] * 5][: len(function.parameters)]
            host = start(("request_headers", function.name, *given), file="relay_wasi.wat")
            outcome = Run(host, exchange(host), "relay_wasi.wat")
            if function.name == "proc_exit":
                assert host.failures == 1
            else:
                assert host.failures == 0
                assert all(result in set(WasiErrno) for _, _, result in outcome.results)
            host.close()


@pytest.mark.parametrize("at", [OUT, END - 4, END - 8])
def test_out_pointers_may_be_anywhere_inside(at: int) -> None:
    """Unaligned, equal, or the last bytes there are."""
    host = start(
        ("request_headers", "proxy_get_header_map_value", 0, b"x-a", at, at),
        ("request_headers", "proxy_get_header_map_value", 0, b"x-a", OUT + 1, OUT + 7),
    )
    assert Run(host, exchange(host), "relay.wat").statuses == [Status.OK, Status.OK]


def test_a_result_that_does_not_fit_writes_no_out_pointer() -> None:
    """The first is good, the second is not: neither is written, and the allocator is not called."""
    host = start(("request_headers", "proxy_get_header_map_value", 0, b"x-a", OUT, END - 3))
    outcome = Run(host, exchange(host), "relay.wat")
    assert outcome.statuses == [Status.INVALID_MEMORY_ACCESS]
    assert outcome.number() == 0
    assert not [row for row in host.trace("proxy_on_memory_allocate") if row.context == 2]


def test_memory_that_grew_in_the_allocator_is_seen() -> None:
    """The base may move: it is read anew behind each call into the guest."""
    from host.testing import PluginHost

    with PluginHost(wat("allocator_grows")) as plugin:
        for _ in range(10):
            exchange(plugin)
        assert plugin.memory_size > 65536 * 10
        assert plugin.failures == 0
