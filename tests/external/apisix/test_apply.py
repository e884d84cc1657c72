"""What runners' answers do to requests and responses."""

from __future__ import annotations

import pytest

from host.external.apisix import apply
from host.external.apisix.codec import FrameError, ResponseReply, Rewrite, Stop
from host.headers import HeaderMap

HEAD = [
    (b":method", b"GET"),
    (b":path", b"/a?x=1&y=2&x=3&z"),
    (b":authority", b"example.org"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2"),
    (b"accept", b"*/*"),
]


def rewritten(rewrite: Rewrite, *, keeps_duplicates: bool = False) -> list[tuple[bytes, bytes]]:
    headers = HeaderMap(HEAD)
    apply.rewrite_request(headers, rewrite, keeps_duplicates=keeps_duplicates)
    return headers.items()


def path(rewrite: Rewrite) -> bytes:
    return dict(rewritten(rewrite))[b":path"]


def test_an_empty_rewrite_changes_nothing() -> None:
    """The Go runner sends one when a plugin has but read a field."""
    assert rewritten(Rewrite()) == HEAD
    assert rewritten(Rewrite(headers=[], arguments=[], response_headers=[], body=b"")) == HEAD


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([(b"Accept", b"text/x")], [*HEAD[:5], (b"accept", b"text/x")]),
        ([(b"accept", None)], HEAD[:5]),
        ([(b"Cookie", None)], [*HEAD[:3], HEAD[5]]),
        ([(b"cookie", b"c=3")], [*HEAD[:3], (b"cookie", b"c=3"), HEAD[5]]),
        ([(b"x-new", b""), (b"x-new", b"2")], [*HEAD, (b"x-new", b"2")]),
        ([(b"nothing", None)], HEAD),
        ([(b"Host", b"other:81")], [*HEAD[:2], (b":authority", b"other:81"), *HEAD[3:]]),
        ([(b"host", None)], HEAD),
        ([(b"Content-Length", b"7"), (b"transfer-encoding", b"chunked"), (b"Connection", b"x")], HEAD),
    ],
)
def test_fields_of_a_request_are_replaced_and_deleted(
    changes: list[tuple[bytes, bytes | None]], expected: list[tuple[bytes, bytes]]
) -> None:
    """A value takes the place of all of that name; what frames a message, and the host, are not deleted."""
    assert rewritten(Rewrite(headers=changes)) == expected


def test_fields_that_come_back_as_they_were_lose_none_of_several_on_request() -> None:
    """The Python runner sends back the last of two cookies alone."""
    back = [(b"cookie", b"b=2"), (b"accept", b"text/x")]
    assert rewritten(Rewrite(headers=back), keeps_duplicates=True) == [*HEAD[:5], (b"accept", b"text/x")]
    assert rewritten(Rewrite(headers=back)) == [*HEAD[:3], (b"cookie", b"b=2"), (b"accept", b"text/x")]


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        (Rewrite(path=b"/new"), b"/new?x=1&y=2&x=3&z"),
        (Rewrite(path=b"/a b?c#d%2f/\xc3\xa9"), b"/a%20b%3Fc%23d%252f/%C3%A9?x=1&y=2&x=3&z"),
        (Rewrite(path=b"new"), b"/new?x=1&y=2&x=3&z"),
        (Rewrite(path=b""), b"/?x=1&y=2&x=3&z"),
        (Rewrite(arguments=[(b"y", b"4")]), b"/a?x=1&x=3&z&y=4"),
        (Rewrite(arguments=[(b"x", b"5"), (b"x", b"6")]), b"/a?y=2&z&x=5&x=6"),
        (Rewrite(arguments=[(b"x", None)]), b"/a?y=2&z"),
        (Rewrite(arguments=[(b"x", b"7"), (b"x", None), (b"x", b"8")]), b"/a?y=2&z&x=8"),
        (Rewrite(arguments=[(b"n", b"a b&c=d")]), b"/a?x=1&y=2&x=3&z&n=a%20b%26c%3Dd"),
        (Rewrite(arguments=[(b"x", None), (b"y", None), (b"z", None)]), b"/a"),
        (Rewrite(path=b"/p", arguments=[(b"x", None)]), b"/p?y=2&z"),
    ],
)
def test_path_and_arguments_are_rewritten(rewrite: Rewrite, expected: bytes) -> None:
    """The path is escaped whole; arguments that are not named stay as they are written."""
    assert path(rewrite) == expected


def test_arguments_are_found_by_what_their_names_mean() -> None:
    """However they are escaped."""
    headers = HeaderMap([(b":path", b"/?a%2Bb=1&a+b=2&c=3")])
    apply.rewrite_request(headers, Rewrite(arguments=[(b"a+b", None), (b"a b", b"4")]))
    assert headers.get(b":path") == b"/?c=3&a%20b=4"


@pytest.mark.parametrize(
    "rewrite",
    [
        Rewrite(headers=[(b"x-a", b"1"), (b"bad name", b"1")]),
        Rewrite(headers=[(b"x-a", b"1\r\nx-b: 2")]),
        Rewrite(headers=[(b":path", b"/admin")]),
        Rewrite(headers=[(b"", b"1")]),
        Rewrite(headers=[(b"x-a", b"1"), (b"host", b"a b")]),
        Rewrite(headers=[(b"host", b"")]),
        Rewrite(path=b"/" + b"a" * (1 << 20)),
    ],
)
def test_a_request_that_would_be_none_is_refused_unchanged(rewrite: Rewrite) -> None:
    """A plugin cannot smuggle one."""
    headers = HeaderMap(HEAD)
    with pytest.raises(FrameError):
        apply.rewrite_request(headers, rewrite)
    assert headers.items() == HEAD


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (Stop(0), (200, [], b"")),
        (
            Stop(418, [(b"X-A", b"1"), (b"x-a", b"2"), (b"x-b", None)], b"tea"),
            (
                418,
                [(b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Type", b"text/plain; charset=utf-8")],
                b"tea",
            ),
        ),
        (
            Stop(200, [(b"content-type", b"a/b"), (b"Content-Length", b"9")], b"x"),
            (200, [(b"content-type", b"a/b")], b"x"),
        ),
    ],
)
def test_answers(stop: Stop, expected: object) -> None:
    """Names keep their spelling; the length is the gateway's to tell."""
    assert apply.answer_of(stop) == expected


@pytest.mark.parametrize(
    "stop",
    [Stop(100), Stop(199), Stop(1000), Stop(65535), Stop(200, [(b"a b", b"c")]), Stop(200, [(b"a", b"\n")])],
)
def test_an_answer_that_would_be_none_is_refused(stop: Stop) -> None:
    """An interim status would leave the client waiting."""
    with pytest.raises(FrameError):
        apply.answer_of(stop)


RESPONSE = [
    (b":status", b"200"),
    (b"content-type", b"text/x"),
    (b"content-length", b"5"),
    (b"set-cookie", b"a"),
    (b"set-cookie", b"b"),
]


def response(reply: ResponseReply, *, replaces: bool = False) -> list[tuple[bytes, bytes]]:
    headers = HeaderMap(RESPONSE)
    apply.rewrite_response(headers, reply, replaces=replaces)
    return headers.items()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (ResponseReply(1), RESPONSE),
        (ResponseReply(1, 404), [(b":status", b"404"), *RESPONSE[1:]]),
        (
            ResponseReply(1, headers=[(b"Set-Cookie", b"c"), (b"set-cookie", b"d"), (b"x", b"y")]),
            [*RESPONSE[:3], (b"set-cookie", b"c"), (b"set-cookie", b"d"), (b"x", b"y")],
        ),
        (
            ResponseReply(1, headers=[(b"content-type", None), (b"content-length", b"1")]),
            [RESPONSE[0], *RESPONSE[2:]],
        ),
    ],
)
def test_a_response_is_overlaid(reply: ResponseReply, expected: list[tuple[bytes, bytes]]) -> None:
    """The Go runner sends the changed fields alone: the others are the upstream's, Content-Type among them."""
    assert response(reply) == expected


def test_a_response_is_replaced_on_request() -> None:
    """As in APISIX: the fields of an answer that has any are all that there are, but for the length."""
    assert response(ResponseReply(1, headers=[(b"x", b"y")]), replaces=True) == [
        (b":status", b"200"),
        (b"content-length", b"5"),
        (b"x", b"y"),
    ]
    assert response(ResponseReply(1, 201), replaces=True) == [(b":status", b"201"), *RESPONSE[1:]]


@pytest.mark.parametrize(
    "reply", [ResponseReply(1, 99), ResponseReply(1, 101), ResponseReply(1, headers=[(b":status", b"200")])]
)
def test_a_response_that_would_be_none_is_refused_unchanged(reply: ResponseReply) -> None:
    headers = HeaderMap(RESPONSE)
    with pytest.raises(FrameError):
        apply.rewrite_response(headers, reply, replaces=True)
    assert headers.items() == RESPONSE


def test_a_request_s_rewrite_sets_fields_of_the_response_but_those_of_its_content() -> None:
    """They are told before the upstream has answered."""
    rewrite = Rewrite(
        response_headers=[(b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Type", b"a/b"), (b"Location", b"/")]
    )
    headers = HeaderMap([*RESPONSE, (b"x-a", b"of the upstream")])
    apply.change_response(headers, apply.checked_response_headers(rewrite))
    assert headers.items() == [*RESPONSE, (b"x-a", b"1"), (b"x-a", b"2")]
