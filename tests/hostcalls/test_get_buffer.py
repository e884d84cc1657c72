"""proxy_get_buffer_bytes and proxy_get_buffer_status."""

from __future__ import annotations

import pytest

from abi import BufferType, Status
from tests.hostcalls.relays import OUT, PHASES, expect, in_phases, run

ALL = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("start", "length", "found"),
    [
        (0, ALL, b"hello"),
        (0, 0x7FFFFFFF, b"hello"),
        (0, 5, b"hello"),
        (1, 3, b"ell"),
        (4, ALL, b"o"),
        (5, 1, b""),
        (10, 2, b""),
        (ALL, 2, b""),
        (ALL, ALL, b""),
        (1, 0, b""),
    ],
)
def test_a_range_is_clipped_to_the_buffer(start: int, length: int, found: bytes) -> None:
    """A 4; K 115-5, whose overflow is INTERNAL_FAILURE: ours is Envoy's, a clipped or an empty range."""
    outcome = run(
        ("request_body", "proxy_get_buffer_bytes", BufferType.HTTP_REQUEST_BODY, start, length, OUT, OUT + 4)
    )
    assert outcome.statuses == [Status.OK]
    assert outcome.given() == found


def test_bodies_are_there_in_every_phase_of_a_stream_and_empty_but_in_their_own() -> None:
    """ABI.md's "absent body": OK and empty. A plugin context has no body at all."""
    for kind in (BufferType.HTTP_REQUEST_BODY, BufferType.HTTP_RESPONSE_BODY):
        outside = dict.fromkeys(["vm_start", "configure", "tick"], Status.NOT_FOUND)
        assert in_phases("proxy_get_buffer_bytes", kind, 0, ALL, OUT, OUT + 4) == expect(Status.OK, **outside)
        assert in_phases("proxy_get_buffer_status", kind, OUT, OUT + 4) == expect(Status.OK, **outside)


@pytest.mark.parametrize("phase", ["request_headers", "response_headers", "request_trailers", "log"])
def test_there_are_no_bytes_outside_of_the_body_phase(phase: str) -> None:
    """K 113-2."""
    outcome = run((phase, "proxy_get_buffer_bytes", 0, 0, ALL, OUT, OUT + 4))
    assert outcome.given() == b""


def test_a_body_that_is_not_held_is_the_chunk() -> None:
    """The response's, too."""
    outcome = run(
        ("response_body", "proxy_get_buffer_bytes", BufferType.HTTP_RESPONSE_BODY, 0, ALL, OUT, OUT + 4)
    )
    assert outcome.given() == b"world"


def test_the_status_is_the_size_without_flags() -> None:
    """Envoy never sets a flag."""
    outcome = run(("request_body", "proxy_get_buffer_status", BufferType.HTTP_REQUEST_BODY, OUT, OUT + 4))
    assert (outcome.number(), outcome.number(at=OUT + 4)) == (5, 0)


@pytest.mark.parametrize("call", ["proxy_get_buffer_bytes", "proxy_get_buffer_status"])
@pytest.mark.parametrize("kind", [9, 100, ALL])
def test_a_buffer_beyond_the_last_is_a_bad_argument(call: str, kind: int) -> None:
    """There are nine."""
    rest = (0, ALL, OUT, OUT + 4) if call.endswith("bytes") else (OUT, OUT + 4)
    assert in_phases(call, kind, *rest) == expect(Status.BAD_ARGUMENT)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (BufferType.HTTP_CALL_RESPONSE_BODY, Status.NOT_FOUND),
        (BufferType.GRPC_CALL_MESSAGE, Status.OK),
        (BufferType.FOREIGN_FUNCTION_ARGUMENTS, Status.OK),
    ],
)
def test_buffers_of_what_has_not_happened_are_not_found_or_empty(kind: BufferType, status: Status) -> None:
    """Nothing has been called. Which is which is Envoy's choice."""
    assert in_phases("proxy_get_buffer_bytes", kind, 0, ALL, OUT, OUT + 4) == expect(status)


def test_the_vm_configuration_can_be_read_in_every_phase() -> None:
    """K 001-1..4. The relay's own script is read by this call, too."""
    statuses = in_phases("proxy_get_buffer_bytes", BufferType.VM_CONFIGURATION, 0, ALL, OUT, OUT + 4)
    assert statuses == expect(Status.OK)


def test_the_plugin_configuration_can_be_read_in_every_phase_with_a_context() -> None:
    """Envoy has it inside on_configure alone: ours is more."""
    statuses = in_phases("proxy_get_buffer_bytes", BufferType.PLUGIN_CONFIGURATION, 0, ALL, OUT, OUT + 4)
    assert statuses == expect(Status.OK)


@pytest.mark.parametrize("phase", PHASES)
def test_a_configuration_is_the_one_that_was_given(phase: str) -> None:
    """Also from a stream's context: its plugin context's."""
    outcome = run((phase, "proxy_get_buffer_bytes", BufferType.PLUGIN_CONFIGURATION, 0, ALL, OUT, OUT + 4))
    assert outcome.statuses == [Status.OK]
    given = outcome.given()
    assert given == b"" if phase == "vm_start" else len(given) > 100
