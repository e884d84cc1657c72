"""Frames of APISIX runners, beside the `flatbuffers` runtime and frames recorded from the Go runner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.external.apisix.codec import (
    Codec,
    ErrorCode,
    ErrorReply,
    FrameError,
    FrameType,
    InfoRequest,
    PrepareReply,
    RequestReply,
    ResponseReply,
    Rewrite,
    Stop,
    read_header,
)
from host.headers import HeaderMap
from tests.external.apisix import frames

CODEC = Codec()

TEXT = st.binary(max_size=40)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=70).map(str.encode)
ENTRIES = st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=9)


def read(frame: bytes) -> object:
    """Return what a whole frame says."""
    type_, length = read_header(frame[:4])
    assert length == len(frame) - 4
    return CODEC.read_message(type_, frame[4:])


PREPARE = (
    "01000054"
    "04000000e4ffffff080000000c000000020000006b310000010000000c00000008000c000800040008000000080000001c000000"
    "100000007b22626f6479223a2268656c6c6f227d000000000300000073617900"
)
STOPPED = (
    "02000084"
    "1000000000000a0012000c000b0004000a00000018000000000000010700000000000a0010000e00080004000a0000000c000000"
    "140000000000c8000500000068656c6c6f000000010000000c00000008000c000800040008000000080000000c00000002000000"
    "476f000010000000582d526573702d41362d52756e6e657200000000"
)


def test_writes_the_request_that_the_go_runner_has_taken() -> None:
    """A recorded frame, byte for byte."""
    assert CODEC.write_prepare(b"k1", [(b"say", b'{"body":"hello"}')]).hex() == PREPARE


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        ("010000140c00000000000600080004000600000001000000", PrepareReply(1)),
        ("020000140c00000000000600080004000600000007000000", RequestReply(7)),
        (
            "000000140c00000000000600080007000600000000000002",
            ErrorReply(ErrorCode.CONF_TOKEN_NOT_FOUND),
        ),
        (STOPPED, RequestReply(7, Stop(200, [(b"X-Resp-A6-Runner", b"Go")], b"hello"))),
    ],
)
def test_reads_what_the_go_runner_has_sent(recorded: str, message: object) -> None:
    """Its vtables are laid out otherwise than Python's."""
    assert read(bytes.fromhex(recorded)) == message


HEAD = [(b":method", b"PATCH"), (b":path", b"/a"), (b":authority", b"example.org"), (b"x-a", b"1")]


def call(path: bytes, has_bare_arguments: bool = True) -> frames.Reader:
    """Return what a runner reads of a request for that path."""
    headers = HeaderMap([(b":method", b"GET"), (b":path", path)])
    written = CODEC.write_request_call(headers, 1, 2, bytes(4), has_bare_arguments=has_bare_arguments)
    return frames.Reader(written[4:])


def test_sends_a_request_without_pseudo_headers_and_with_its_host() -> None:
    """Runners know HTTP/1.1's fields; `host` is where the request goes."""
    headers = HeaderMap([*HEAD, (b"x-a", b"2"), (b"host", b"another"), (b"x-empty", b"")])
    written = CODEC.write_request_call(headers, 7, 9, b"\x0a\x00\x00\x01")
    reader = frames.Reader(written[4:])
    assert (reader.number(0), reader.bytes(1), reader.number(6)) == (7, b"\x0a\x00\x00\x01", 9)
    assert reader.entries(5) == [
        (b"host", b"example.org"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"x-empty", b""),
    ]


@pytest.mark.parametrize(
    ("target", "path", "arguments"),
    [
        (b"/get", b"/get", []),
        (b"/a%20b%2f%zz%4?", b"/a b/%zz%4", []),
        (b"/a+b?x=1&x=2", b"/a+b", [(b"x", b"1"), (b"x", b"2")]),
        (b"/?a=&b&c=d=e", b"/", [(b"a", b""), (b"b", None), (b"c", b"d=e")]),
        (b"/?a%3d+=%C3%A9+%26", b"/", [(b"a= ", b"\xc3\xa9 &")]),
        (b"/?&&=x&a?b=c&", b"/", [(b"a?b", b"c")]),
        (b"*", b"*", []),
    ],
)
def test_undoes_the_escapes_of_path_and_arguments(
    target: bytes, path: bytes, arguments: list[tuple[bytes, bytes | None]]
) -> None:
    """As nginx has them in $uri and ngx.req.get_uri_args: broken escapes stay, nameless arguments go."""
    reader = call(target)
    assert (reader.bytes(3), reader.entries(4)) == (path, arguments)


def test_gives_bare_arguments_an_empty_value_on_request() -> None:
    """The Python runner fails at one that has none."""
    assert call(b"/?a&b=1", has_bare_arguments=False).entries(4) == [(b"a", b""), (b"b", b"1")]


@given(
    st.sampled_from(frames.METHODS),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from([bytes(4), bytes(range(16))]),
    st.lists(st.tuples(NAMES, TEXT), max_size=20),
)
def test_writes_what_flatbuffers_writes(
    method: str, id_: int, token: int, address: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    """Any request and response, byte for byte."""
    fields = [(name, value) for name, value in fields if name != b"host"]
    headers = HeaderMap([(b":method", method.encode()), (b":path", b"/p?q=1&r"), *fields])
    expected = frames.request_call(
        id_, address, method, b"/p", [(b"q", b"1"), (b"r", None)], headers.items()[2:], token
    )
    assert CODEC.write_request_call(headers, id_, token, address) == expected
    response = HeaderMap([(b":status", b"418"), *fields])
    expected = frames.response_call(id_, 418, response.items()[1:], token)
    assert CODEC.write_response_call(response, id_, token) == expected


@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=9))
def test_prepares_what_flatbuffers_prepares(key: bytes, conf: list[tuple[bytes, bytes]]) -> None:
    """Any configurations, none included."""
    assert CODEC.write_prepare(key, conf) == frames.prepare_request(key, conf)


@given(st.none() | TEXT)
def test_answers_questions_as_flatbuffers_does(result: bytes | None) -> None:
    """What is missing and what is empty are two things."""
    assert CODEC.write_extra_info(result) == frames.extra_info_reply(result)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), ENTRIES, TEXT)
def test_reads_answers(id_: int, status: int, headers: frames.Entries, body: bytes) -> None:
    """Of requests and of responses."""
    assert read(frames.no_action(id_)) == RequestReply(id_)
    assert read(frames.stop(id_, status, headers, body)) == RequestReply(id_, Stop(status, headers, body))
    expected = ResponseReply(id_, status, headers, body)
    assert read(frames.response_reply(id_, status, headers, body)) == expected


@given(st.none() | TEXT, ENTRIES, ENTRIES, ENTRIES, TEXT)
def test_reads_rewrites(
    path: bytes | None, headers: frames.Entries, args: frames.Entries, others: frames.Entries, body: bytes
) -> None:
    """All parts keep apart."""
    frame = frames.rewrite(3, path=path, headers=headers, arguments=args, response_headers=others, body=body)
    assert read(frame) == RequestReply(3, Rewrite(path, headers, args, others, body))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (frames.error_reply(1), ErrorReply(ErrorCode.SERVICE_UNAVAILABLE)),
        (frames.error_reply(77), ErrorReply(77)),
        (frames.prepare_reply(0), PrepareReply(0)),
        (frames.info_request(1, b"server_addr"), InfoRequest(1, b"server_addr")),
        (frames.info_request(2), InfoRequest(2)),
        (frames.info_request(9), InfoRequest(9)),
    ],
)
def test_reads_other_frames(frame: bytes, message: object) -> None:
    """Codes and kinds that are not known yet are told, too."""
    assert read(frame) == message


@pytest.mark.parametrize("type_", [frames.PREPARE_CONF, frames.REQUEST_CALL, frames.RESPONSE_CALL])
@pytest.mark.parametrize("code", [1, 2, 255])
def test_reads_an_error_in_a_frame_of_the_request_s_type(type_: int, code: int) -> None:
    """As the Python runner sends it: read as an answer it would say, go on."""
    assert read(frames.frame(type_, frames.error_reply(code)[4:])) == ErrorReply(code)


@pytest.mark.parametrize("cut", range(0, 128, 4))
def test_refuses_a_frame_that_ends_early(cut: int) -> None:
    """Wherever it ends: offsets lead out of it, or the pieces that it needs are gone."""
    with pytest.raises(FrameError, match="cannot be read"):
        CODEC.read_message(FrameType.REQUEST_CALL, bytes.fromhex(STOPPED)[4 : 4 + cut])


@given(st.data())
def test_takes_or_refuses_any_damage(data: st.DataObject) -> None:
    """A value or a FrameError: nothing else comes of bytes that another process has sent."""
    frame = bytearray(
        data.draw(
            st.sampled_from(
                [
                    bytes.fromhex(STOPPED),
                    frames.rewrite(1, path=b"/", headers=[(b"a", b"b")], arguments=[(b"c", None)], body=b"d"),
                    frames.response_reply(1, 200, [(b"a", b"b")] * 3, b"body"),
                    frames.info_request(1, b"uri"),
                ]
            )
        )
    )
    for at, byte in data.draw(st.lists(st.tuples(st.integers(4, len(frame) - 1), st.integers(0, 255)))):
        frame[at] = byte
    try:
        message = CODEC.read_message(FrameType(frame[0]), bytes(frame[4:]))
    except FrameError:
        return
    assert isinstance(message, RequestReply | ResponseReply | InfoRequest)


def test_refuses_more_entries_than_it_takes() -> None:
    """One small table may stand in a vector a million times: memory is bounded before."""
    for count in (4097, 4000):
        builder = frames.flatbuffers.Builder()
        one = frames.entry(builder, b"x" * 5000, b"")
        many = frames.vector(builder, [one] * count)
        builder.StartObject(4)
        builder.PrependUOffsetTRelativeSlot(2, many, 0)
        builder.Finish(builder.EndObject())
        with pytest.raises(FrameError, match="more entries"):
            CODEC.read_message(FrameType.RESPONSE_CALL, bytes(builder.Output()))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (frames._reply(frames.flatbuffers.Builder(), 1, 3, 0), "an action that the protocol"),
        (frames._reply(frames.flatbuffers.Builder(), 1, 1, 0), "an action without its table"),
    ],
)
def test_refuses_actions_that_it_does_not_know(frame: bytes, reason: str) -> None:
    """To skip one would let a request pass that a plugin has judged."""
    with pytest.raises(FrameError, match=reason):
        read(frame)


def test_refuses_an_entry_without_a_name() -> None:
    """It cannot be applied."""
    builder = frames.flatbuffers.Builder()
    builder.StartObject(2)
    nameless = builder.EndObject()
    vector = frames.vector(builder, [nameless])
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(2, vector, 0)
    builder.Finish(builder.EndObject())
    with pytest.raises(FrameError, match="without a name"):
        CODEC.read_message(FrameType.RESPONSE_CALL, bytes(builder.Output()))


@pytest.mark.parametrize("type_", range(5, 256, 50))
def test_refuses_types_that_it_does_not_know(type_: int) -> None:
    """A length behind one is no length: the stream is lost."""
    with pytest.raises(FrameError, match=f"type {type_}"):
        read_header(bytes([type_, 0, 0, 0]))


@pytest.mark.parametrize("method", [b"QUERY", b"get", b"", b"CONNECT"])
def test_refuses_methods_that_the_protocol_does_not_know(method: bytes) -> None:
    """A number stands for the method: there is none for these."""
    headers = HeaderMap([(b":method", method), (b":path", b"/")])
    with pytest.raises(FrameError, match="does not know the request's method"):
        CODEC.write_request_call(headers, 1, 1, bytes(4))


def test_refuses_a_frame_of_more_than_its_length_can_say() -> None:
    """2^24-1 bytes fit. What is larger is told, never cut."""
    assert len(CODEC.write_extra_info(bytes(2**24 - 28))) == 2**24
    for size in (2**24 - 27, 2**24, 2**25):
        with pytest.raises(FrameError, match="16 MiB"):
            CODEC.write_extra_info(bytes(size))
    assert CODEC.write_extra_info(b"") == frames.extra_info_reply(b"")
