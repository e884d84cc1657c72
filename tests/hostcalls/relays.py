"""Host calls made by a relay guest in a phase of an exchange, and what became of them."""

from __future__ import annotations

import re
import struct
from typing import Any

from abi import Status
from host.testing import HostedStream, PluginHost
from testdata import relay
from testdata.relay import SCRATCH
from tests.plugin.guests import OK, POST, wat

_RESULT = re.compile("relay( [0-9a-f]{8}){3}")

OUT = SCRATCH
"""Where a call puts its results: out-pointers are OUT, OUT + 4, …"""

PHASES = [
    "vm_start",
    "configure",
    "tick",
    "context_create",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
    "done",
    "delete",
]
"""In the order in which `run` comes to them; done and delete are those of the stream."""

STREAM_PHASES = PHASES[3:]
REQUEST, RESPONSE = [*POST, (b"x-a", b"1"), (b"x-a", b"2")], [*OK, (b"x-b", b"3")]
REQUEST_TRAILERS, RESPONSE_TRAILERS = [(b"x-sum", b"10")], [(b"x-check", b"20")]


class Run:
    """A relay that has run its script through one whole exchange: request and response with bodies and trailers."""

    def __init__(self, host: PluginHost, stream: HostedStream, file: str) -> None:
        self.host, self.stream, self._file = host, stream, file

    @property
    def results(self) -> list[tuple[str, str, int]]:
        """Phase, call and result of each step, in order."""
        calls = [function.name for function in relay.calls(self._file)]
        rows = [line.split() for line in self.host.logs() if _RESULT.fullmatch(line)]
        phases = list(relay.PHASES)
        return [
            (phases[int(phase, 16)], calls[int(call, 16)], int(result, 16)) for _, phase, call, result in rows
        ]

    @property
    def statuses(self) -> list[Status]:
        """The results alone."""
        return [Status(result) for _, _, result in self.results]

    @property
    def by_phase(self) -> dict[str, Status]:
        """The last result of each phase."""
        return {phase: Status(result) for phase, _, result in self.results}

    def number(self, size: int = 4, at: int = OUT) -> int:
        """A number that a call wrote."""
        return int.from_bytes(self.host.read_memory(at, size), "little")

    def given(self, at: int = OUT) -> bytes:
        """What a call gave through the out-pointers `at` and `at + 4`."""
        pointer, size = struct.unpack("<II", self.host.read_memory(at, 8))
        return self.host.read_memory(pointer, size)


def start(*steps: Any, file: str = "relay.wat", vm_steps: Any = (), **options: Any) -> PluginHost:
    """A relay with this script; `vm_steps` are for vm_start, whose script is the VM configuration."""
    script = relay.script(*steps, file=file) if steps else b""
    vm_script = relay.script(*vm_steps, file=file) if vm_steps else None
    return PluginHost(
        wat(file.removesuffix(".wat")), script, vm_configuration=vm_script, name="relay", **options
    )


def exchange(host: PluginHost, body: bytes | None = None) -> HostedStream:
    """A whole exchange in all phases, closed at its end. `body` takes the place of both bodies."""
    stream = host.http_stream()
    stream.request_headers(REQUEST)
    stream.request_body(b"hello" if body is None else body, end_of_stream=False)
    stream.request_trailers(REQUEST_TRAILERS)
    stream.response_headers(RESPONSE)
    stream.response_body(b"world" if body is None else body, end_of_stream=False)
    stream.response_trailers(RESPONSE_TRAILERS)
    stream.close()
    return stream


def run(*steps: Any, file: str = "relay.wat", body: bytes | None = None, **options: Any) -> Run:
    """Run the script through a start, a tick and a whole exchange."""
    at_start = [step for step in steps if step[0] == "vm_start"]
    ticks = (
        [("configure", "proxy_set_tick_period_milliseconds", 1000)]
        if any(s[0] == "tick" for s in steps)
        else []
    )
    steps = tuple(step for step in steps if step[0] != "vm_start")
    host = start(*ticks, *steps, file=file, vm_steps=at_start, **options)
    if ticks:
        host.lines[:] = [line for line in host.lines if "00000003 " not in line.message[15:24]]
        host.advance(1)
    return Run(host, exchange(host, body), file)


def in_phases(
    call: str, *arguments: Any, phases: list[str] | None = None, **options: Any
) -> dict[str, Status]:
    """The status of one call with these arguments in each phase, each in a run of its own."""
    statuses = {}
    for phase in phases if phases is not None else PHASES:
        outcome = run((phase, call, *arguments), **options)
        statuses[phase] = next(
            Status(result) for at, name, result in outcome.results if (at, name) == (phase, call)
        )
        outcome.host.close()
    return statuses


def expect(default: Status, **others: Status) -> dict[str, Status]:
    """The table of `in_phases`: one status for all phases but those named."""
    return dict.fromkeys(PHASES, default) | others
