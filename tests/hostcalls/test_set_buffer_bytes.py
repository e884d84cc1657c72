"""proxy_set_buffer_bytes."""

from __future__ import annotations

import pytest

from abi import BufferType, LogLevel, Status
from host.chain import BodyLimits
from tests.hostcalls.relays import OUT, expect, in_phases, run

ALL = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("start", "length", "data", "body"),
    [
        (0, ALL, b"new", b"new"),
        (0, 0x7FFFFFFF, b"longer than before", b"longer than before"),
        (0, ALL, b"", b""),
        (0, 0, b"pre", b"prehello"),
        (0, 1, b"partial.replace.", b"partial.replace.ello"),
        (0, 1, b"", b"ello"),
        (5, 0, b".end", b"hello.end"),
        (0x7FFFFFFF, 0, b".end", b"hello.end"),
        (ALL, ALL, b".end", b"hello.end"),
        (12, 3, b"Wasm", b"helloWasm"),
        (2, 1, b"LL", b"heLLlo"),
        (2, ALL, b"y", b"hey"),
        (1, 3, b"", b"ho"),
        (2, 0, b"-", b"he-llo"),
    ],
)
@pytest.mark.parametrize("side", ["request", "response"])
def test_a_range_of_the_body_gives_way_to_the_data(
    side: str, start: int, length: int, data: bytes, body: bytes
) -> None:
    """EH PrependAndAppendToBody, PartialReplaceBody, PartialRemoveBody; K 114, 116 (offsets and lengths).

    In the middle Envoy says BAD_ARGUMENT; ours is the specification's splice.
    """
    kind = BufferType.HTTP_REQUEST_BODY if side == "request" else BufferType.HTTP_RESPONSE_BODY
    outcome = run((f"{side}_body", "proxy_set_buffer_bytes", kind, start, length, data), body=b"hello")
    assert outcome.statuses == [Status.OK]
    message = outcome.stream.to_upstream if side == "request" else outcome.stream.to_client
    assert message.body == body


def test_a_body_is_writable_in_its_own_phase_alone() -> None:
    """Elsewhere it is not in the filter's hands."""
    outside = dict.fromkeys(("vm_start", "configure", "tick"), Status.NOT_FOUND)
    assert in_phases("proxy_set_buffer_bytes", 0, 0, 0, b"x") == expect(
        Status.BAD_ARGUMENT, request_body=Status.OK, context_create=Status.BAD_ARGUMENT, **outside
    )
    assert in_phases("proxy_set_buffer_bytes", 1, 0, 0, b"x") == expect(
        Status.BAD_ARGUMENT, response_body=Status.OK, **outside
    )


@pytest.mark.parametrize("kind", [4, 5, 6, 7, 8, 9, ALL])
def test_other_buffers_cannot_be_written(kind: int) -> None:
    """Configurations and what calls bring are read-only."""
    assert in_phases("proxy_set_buffer_bytes", kind, 0, 0, b"x") == expect(Status.BAD_ARGUMENT)


@pytest.mark.parametrize("kind", [2, 3])
def test_an_exchange_has_no_data_of_a_connection(kind: int) -> None:
    """Buffers 2 and 3 are there for TCP connections: of an exchange they are empty, and nobody's to write (Envoy)."""
    outside = dict.fromkeys(("vm_start", "configure", "tick"), Status.NOT_FOUND)
    assert in_phases("proxy_set_buffer_bytes", kind, 0, 0, b"x") == expect(Status.BAD_ARGUMENT, **outside)
    assert in_phases("proxy_get_buffer_bytes", kind, 0, 9, OUT, OUT + 4) == expect(Status.OK, **outside)


def test_edits_of_one_callback_add_up() -> None:
    """Each sees what the one before made."""
    outcome = run(
        ("request_body", "proxy_set_buffer_bytes", 0, 0, ALL, b"abc"),
        ("request_body", "proxy_set_buffer_bytes", 0, 1, 1, b"-"),
        ("request_body", "proxy_set_buffer_bytes", 0, 0x7FFFFFFF, 0, b"d"),
        ("request_body", "proxy_get_buffer_status", 0, 0x1000, 0x1004),
    )
    assert outcome.stream.to_upstream.body == b"a-cd"
    assert outcome.number() == 4


@pytest.mark.parametrize(
    ("start", "length", "data", "status", "body"),
    [
        (0, 0, b"12345", Status.OK, b"12345hello"),
        (0, 0, b"123456", Status.INTERNAL_FAILURE, b"hello"),
        (0, ALL, b"0123456789", Status.OK, b"0123456789"),
        (0, ALL, b"0123456789a", Status.INTERNAL_FAILURE, b"hello"),
        (2, 1, b"123456", Status.OK, b"he123456lo"),
        (2, 1, b"1234567", Status.INTERNAL_FAILURE, b"hello"),
        (ALL, ALL, b"123456", Status.INTERNAL_FAILURE, b"hello"),
    ],
)
@pytest.mark.parametrize("side", ["request", "response"])
def test_a_body_does_not_grow_beyond_what_its_filter_may_hold(
    side: str, start: int, length: int, data: bytes, status: Status, body: bytes
) -> None:
    """A guest that doubles a body in a loop would else use up the host's memory within its deadline."""
    kind = BufferType.HTTP_REQUEST_BODY if side == "request" else BufferType.HTTP_RESPONSE_BODY
    step = (f"{side}_body", "proxy_set_buffer_bytes", kind, start, length, data)
    outcome = run(step, body=b"hello", limits=BodyLimits(10, 10))
    assert outcome.statuses == [status]
    message = outcome.stream.to_upstream if side == "request" else outcome.stream.to_client
    assert message.body == body
    said = [line for line in outcome.host.logs(LogLevel.WARN) if "set_buffer_bytes" in line]
    assert said == [f"proxy_set_buffer_bytes was refused: the {side} body would be longer than 10 bytes"] * (
        status is not Status.OK
    )


def test_a_chunk_longer_than_the_limit_can_be_changed_but_not_grow() -> None:
    """The limit is for what is held: a stream that passes has chunks of any length."""
    outcome = run(
        ("request_body", "proxy_set_buffer_bytes", 0, 0, 5, b"HELLO"),
        ("request_body", "proxy_set_buffer_bytes", 0, 0, 0, b"x"),
        body=b"hello world, and more",
        limits=BodyLimits(10, 10),
    )
    assert outcome.statuses == [Status.OK, Status.INTERNAL_FAILURE]
    assert outcome.stream.to_upstream.body == b"HELLO world, and more"
