"""proxy_send_local_response."""

from __future__ import annotations

import pytest

from abi import Action, Status, encode_pairs
from host.testing import Message
from testdata import relay
from tests.hostcalls.relays import expect, in_phases, run, start
from tests.plugin.guests import GET, answer, send

SEND = "proxy_send_local_response"
NOTHING = b""
BEFORE_THE_RESPONSE = ["context_create", "request_headers", "request_body", "request_trailers"]


def arguments(
    code: int,
    body: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    grpc: int = -1,
    details: bytes = b"",
) -> tuple[int | bytes, ...]:
    return (code, details, body, encode_pairs(headers or []), grpc)


def test_an_answer_can_be_sent_while_the_exchange_lasts() -> None:
    """Outside of a stream, and once it is over, there is no one to answer."""
    nowhere = dict.fromkeys(["vm_start", "configure", "tick", "log", "done", "delete"], Status.BAD_ARGUMENT)
    assert in_phases(SEND, *arguments(403)) == expect(Status.OK, **nowhere)


@pytest.mark.parametrize("phase", BEFORE_THE_RESPONSE)
def test_an_answer_from_a_request_phase_takes_the_upstreams_place(phase: str) -> None:
    """K 102-1,2; A send_response. What the callback returns does not matter."""
    outcome = run((phase, SEND, *arguments(403, b"no\n", [(b"x-why", b"policy")])), (phase, relay.RETURN, 0))
    assert outcome.stream.to_client == Message(
        [
            (b":status", b"403"),
            (b"x-why", b"policy"),
            (b"content-length", b"3"),
            (b"content-type", b"text/plain"),
        ],
        [b"no\n"],
        ended=True,
    )
    assert not outcome.stream.to_upstream.ended


@pytest.mark.parametrize(
    ("code", "body", "headers", "fields"),
    [
        (204, b"", [], []),
        (304, b"", [], []),
        (200, b"", [], [(b"content-length", b"0")]),
        (403, b"", [], [(b"content-length", b"0")]),
        (999, b"", [], [(b"content-length", b"0")]),
        (
            200,
            b"{}",
            [(b"Content-Type", b"application/json")],
            [(b"content-type", b"application/json"), (b"content-length", b"2")],
        ),
        (200, b"", [(b"content-length", b"99")], [(b"content-length", b"0")]),
        (200, b"", [(b"a", b"1"), (b"a", b"2")], [(b"a", b"1"), (b"a", b"2"), (b"content-length", b"0")]),
        (200, b"", [(b":status", b"500"), (b":path", b"/")], [(b"content-length", b"0")]),
        (
            200,
            b"",
            [(b"server", b"mine"), (b"date", b"now")],
            [(b"server", b"mine"), (b"date", b"now"), (b"content-length", b"0")],
        ),
    ],
)
def test_fields_are_the_plugins_and_what_a_body_needs(
    code: int, body: bytes, headers: list[tuple[bytes, bytes]], fields: list[tuple[bytes, bytes]]
) -> None:
    """K 102-6..10; A send_response 2,3. 204 and 304 have no length (RFC 9110, 8.6); pseudo-headers are the host's."""
    outcome = run(("request_headers", SEND, *arguments(code, body, headers)))
    assert outcome.stream.to_client.headers == [(b":status", b"%d" % code), *fields]


@pytest.mark.parametrize("code", [0, 99, 100, 199, 1000, 0xFFFFFFFF])
def test_what_is_no_final_status_is_a_bad_argument(code: int) -> None:
    """K: code 1000."""
    outcome = run(("request_headers", SEND, *arguments(code)))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_client.status == 200


@pytest.mark.parametrize(
    "pairs",
    [
        b"\1",
        b"\xff" * 8,
        encode_pairs([(b"a", b"b\r\nc: d")]),
        encode_pairs([(b"", b"b")]),
        encode_pairs([(b"a b", b"")]),
    ],
)
def test_headers_that_are_none_are_a_bad_argument(pairs: bytes) -> None:
    """Nothing is sent then."""
    outcome = run(("request_headers", SEND, 403, NOTHING, NOTHING, pairs, -1))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_client.status == 200


@pytest.mark.parametrize(("given", "sent"), [(-1, None), (0, b"0"), (7, b"7"), (16, b"16")])
def test_a_grpc_status_becomes_a_field(given: int, sent: bytes | None) -> None:
    """-1 is none."""
    outcome = run(("request_headers", SEND, *arguments(200, grpc=given)))
    assert outcome.stream.to_client.get(b"grpc-status") == sent


def test_the_first_answer_wins() -> None:
    """EC DuplicateLocalReply: later ones are taken with OK and dropped, of the same callback and of later ones."""
    steps = [("request_headers", SEND, *arguments(code)) for code in (401, 402)]
    outcome = run(*steps, ("response_headers", SEND, *arguments(404)))
    assert outcome.statuses == [Status.OK] * 3
    assert outcome.stream.to_client.status == 401


def test_the_rest_of_the_callback_runs() -> None:
    """The answer waits for its end."""
    outcome = run(("request_headers", SEND, *arguments(401)), ("request_headers", "proxy_log", 2, b"after"))
    assert "after" in outcome.host.logs()


def test_an_answer_from_response_headers_replaces_the_upstreams() -> None:
    """K 102-13..15: and its body, which is still to come."""
    outcome = run(("response_headers", SEND, *arguments(502, b"bad")))
    assert outcome.stream.to_client.status == 502
    assert outcome.stream.to_client.body == b"bad"
    assert outcome.stream.to_client.trailers == []
    assert len(outcome.host.trace("proxy_on_response_headers")) == 1


def test_an_answer_from_response_body_comes_when_the_head_is_still_held() -> None:
    """The relay could change bodies, so its heads wait for the first bytes."""
    outcome = run(("response_body", SEND, *arguments(502, b"bad")))
    assert (outcome.stream.to_client.status, outcome.stream.to_client.body) == (502, b"bad")


def test_an_answer_behind_a_head_that_has_left_cuts_the_response() -> None:
    """There is no place for a second status."""
    host = start(("response_body", SEND, *arguments(502)), hold_response_head=False)
    stream = host.http_stream()
    send(stream)
    answer(stream, b"one", b"two")
    assert stream.is_reset
    assert stream.to_client.status == 200
    assert stream.to_client.body == b""


def test_a_local_response_passes_the_response_callbacks_and_the_log() -> None:
    """K 102-20,21: so that all filters see what the client gets."""
    outcome = run(
        ("request_headers", SEND, *arguments(403, b"no")),
        ("response_headers", "proxy_replace_header_map_value", 2, b"x-seen", b"1"),
        ("response_body", "proxy_set_buffer_bytes", 1, 0x7FFFFFFF, 0, b"!"),
        ("log", "proxy_log", 2, b"logged"),
    )
    assert outcome.stream.to_client.get(b"x-seen") == b"1"
    assert outcome.stream.to_client.body == b"no!"
    assert "logged" in outcome.host.logs()


def test_response_fields_that_were_written_early_are_on_it() -> None:
    """A filter that adds a field to every response means this one, too."""
    outcome = run(
        ("context_create", "proxy_add_header_map_value", 2, b"x-early", b"1"),
        ("request_headers", SEND, *arguments(403)),
    )
    assert outcome.stream.to_client.headers == [
        (b":status", b"403"),
        (b"x-early", b"1"),
        (b"content-length", b"0"),
    ]


def test_a_paused_stream_is_answered_from_a_tick() -> None:
    """J PostponeRequests; the tick makes the stream's context effective."""
    host = start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", SEND, *arguments(202, b"later")),
    )
    stream = host.http_stream()
    assert stream.request_headers(GET, end_of_stream=True) is Action.PAUSE
    assert stream.local_response is None
    host.advance(0.01)
    assert stream.local_response is not None
    assert (stream.local_response.status, stream.local_response.body) == (202, b"later")
