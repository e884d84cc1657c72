"""The calls past cffi (core/cpython/hot.c): a wrong argument is an exception, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from host import hot
from host._core import ffi, lib
from host.http.message import new_client, new_judge

STREAM = ffi.gc(lib.sw_stream_new(), lib.sw_stream_delete)
JUDGE, CLIENT = new_judge(1000, 100, 10), new_client(b"10.0.0.1", b"80")
STREAM_HANDLE, JUDGE_HANDLE, CLIENT_HANDLE = (hot.capsule(each) for each in (STREAM, JUDGE, CLIENT))
HEADERS_HANDLE = hot.capsule(lib.sw_stream_map(STREAM, 0))


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
