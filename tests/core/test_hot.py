"""The calls past cffi (core/cpython/hot.c): a wrong argument is an exception, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from abi.types import BufferType
from host import hot
from host._core import ffi, lib
from host.http.message import new_client, new_judge

STREAM = ffi.gc(lib.sw_stream_new(), lib.sw_stream_delete)
JUDGE, CLIENT = new_judge(1000, 100, 10), new_client(b"10.0.0.1", b"80")
STREAM_HANDLE, JUDGE_HANDLE, CLIENT_HANDLE = (hot.capsule(each) for each in (STREAM, JUDGE, CLIENT))
HEADERS_HANDLE = hot.capsule(lib.sw_stream_map(STREAM, 0))
DELIVERY = ffi.gc(lib.sw_delivery_new(), lib.sw_delivery_delete)
DELIVERY_HANDLE = hot.capsule(DELIVERY)


def test_only_types_that_a_call_takes_become_capsules() -> None:
    """A pointer to something else would pass for nothing."""
    with pytest.raises(ValueError, match="no capsule is made of a sw_log_row"):
        hot.capsule(ffi.new("sw_log_row *"))


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (hot.judge_request, (STREAM_HANDLE, HEADERS_HANDLE, b"", 0)),
        (hot.judge_request, (JUDGE_HANDLE, JUDGE_HANDLE, b"", 0)),
        (hot.judge_request, (JUDGE, HEADERS_HANDLE, b"", 0)),
        (hot.judge_request, (JUDGE_HANDLE, HEADERS_HANDLE, b"", 1)),
        (hot.judge_request, (JUDGE_HANDLE, HEADERS_HANDLE, b"", -1)),
        (hot.pass_request, (STREAM_HANDLE, 0, STREAM_HANDLE, CLIENT_HANDLE, CLIENT_HANDLE, b"")),
        (hot.pass_response, (JUDGE_HANDLE, 0, b"", 0, JUDGE_HANDLE, 0, False)),
        (hot.judge_response, (JUDGE_HANDLE, 0, b"", 1, HEADERS_HANDLE)),
        (hot.judge_response, (JUDGE_HANDLE, 0, b"", 0, STREAM_HANDLE)),
        (hot.set_upstream, (STREAM_HANDLE, CLIENT_HANDLE)),
        (hot.settle_request, (STREAM_HANDLE, STREAM_HANDLE, b"")),
        (hot.header, (STREAM_HANDLE, b"a")),
        (hot.take_call_response, (JUDGE_HANDLE, 0, b"", 1, DELIVERY_HANDLE, 0)),
        (hot.take_call_response, (JUDGE_HANDLE, 0, b"", 0, HEADERS_HANDLE, 0)),
        (hot.deliver_http_call, (STREAM_HANDLE, DELIVERY_HANDLE, 4)),
        (hot.close_stream, (JUDGE_HANDLE,)),
    ],
)
def test_a_wrong_capsule_or_place_is_a_value_error(call: Any, arguments: tuple[Any, ...]) -> None:
    """A capsule knows its type."""
    with pytest.raises(ValueError):  # noqa: PT011  CPython's own text
        call(*arguments)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (hot.judge_request, (JUDGE_HANDLE, HEADERS_HANDLE, "text", 0)),
        (hot.judge_request, (JUDGE_HANDLE, HEADERS_HANDLE, b"", "0")),
        (hot.judge_request, (JUDGE_HANDLE, HEADERS_HANDLE, b"")),
        (hot.judge_request, ()),
        (hot.pass_request, ()),
        (hot.pass_response, (JUDGE_HANDLE, 0, None, 0, STREAM_HANDLE, 0, False)),
        (hot.pass_response, (JUDGE_HANDLE, "0", b"", 0, STREAM_HANDLE, 0, False)),
        (hot.pass_response, (STREAM_HANDLE,)),
        (hot.set_upstream, ()),
        (hot.settle_request, (STREAM_HANDLE, CLIENT_HANDLE, "host")),
        (hot.header, (HEADERS_HANDLE, "a")),
        (hot.header, (HEADERS_HANDLE,)),
        (hot.take_call_response, (JUDGE_HANDLE, 0, b"", 0, DELIVERY_HANDLE, "0")),
        (hot.take_call_response, ()),
        (hot.deliver_http_call, ()),
        (hot.capsule, ()),
    ],
)
def test_a_wrong_type_or_number_of_arguments_is_a_type_error(call: Any, arguments: tuple[Any, ...]) -> None:
    """As with any function of Python's."""
    with pytest.raises(TypeError):
        call(*arguments)


def test_a_number_too_large_is_an_overflow() -> None:
    """No bits are lost in silence."""
    with pytest.raises(OverflowError):
        hot.judge_response(JUDGE_HANDLE, 1 << 64, b"", 0, HEADERS_HANDLE)


def test_a_response_to_a_closed_exchange_is_judged_and_no_more() -> None:
    """Nobody's filters could see it."""
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    head, flags, message = hot.pass_response(JUDGE_HANDLE, 0, response, 0, STREAM_HANDLE, 0, False)
    assert (head & 0xFFFFF, head >> 32, flags, message) == (38, 200, -1, None)


@pytest.mark.parametrize(("most", "is_whole", "length"), [(1, True, 1), (0, False, 0)])
def test_a_whole_response_to_a_call_is_in_its_delivery(most: int, is_whole: bool, length: int) -> None:
    """One that is longer than it may be is judged, and left for whoever refuses it."""
    delivery = ffi.gc(lib.sw_delivery_new(), lib.sw_delivery_delete)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    head, whole = hot.take_call_response(JUDGE_HANDLE, 0, response, 0, hot.capsule(delivery), most)
    assert (head & 0xFFFFF, head >> 32, whole) == (38, 200, is_whole)
    assert lib.sw_delivery_length(delivery, BufferType.HTTP_CALL_RESPONSE_BODY) == length


def test_an_exchange_that_is_closed_settles_to_nothing() -> None:
    """It may have been woken before its end."""
    assert hot.settle_request(STREAM_HANDLE, CLIENT_HANDLE, b"") == (0, None)
