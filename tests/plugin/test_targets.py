"""Addresses as guests write them, and what a plugin is allowed of them."""

from __future__ import annotations

import pytest

from host.plugin.targets import Address, AllowList, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.test", Address("http", "example.test", 80)),
        ("Example.TEST:8080", Address("http", "example.test", 8080)),
        ("http://a:1", Address("http", "a", 1)),
        ("https://a", Address("https", "a", 443)),
        ("https://a:8443", Address("https", "a", 8443)),
        ("127.0.0.1:65535", Address("http", "127.0.0.1", 65535)),
        ("[::1]:81", Address("http", "::1", 81)),
        ("[0:0:0:0:0:0:0:1]", Address("http", "::1", 80)),
        ("https://[2001:db8::1]", Address("https", "2001:db8::1", 443)),
        ("unix:/run/a.sock", Address("http", "", 0, "/run/a.sock")),
        ("under_score.test.", Address("http", "under_score.test.", 80)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    """With the scheme's port where none is written."""
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


def test_the_scheme_of_the_request_is_for_an_address_without_one() -> None:
    """K reads :scheme as well."""
    assert parse_address("a", "https") == Address("https", "a", 443)
    assert parse_address("http://a", "https") == Address("http", "a", 80)


@pytest.mark.parametrize(
    "text",
    [
        "", ":80", "a:", "a:b", "a:0", "a:65536", "a:٣", "a:+1", "a:1:2", "a b", "a\0b", "a/b", "user@a", "-a", "a..b",
        "*", "*.a", "[", "[]", "[a]", "[::1", "[::1]x", "[::1]:", "::1", "[::g]:1", "unix:", "unix:a", "unix:/a\0b",
        "unix:/" + "a" * 200, "a" * 64, ".".join(["a" * 60] * 5), "https://", "http://https://a", "ftp://a", "é",
        "\ud800",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    """Before any resolver gets to see it."""
    with pytest.raises(ValueError):  # noqa: PT011
        parse_address(text)


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("a:80", ["a", "A:80", "http://a"], ["a:81", "https://a", "b:80", "a.a", "unix:/a"]),
        ("a", ["a:80"], ["a:443", "https://a"]),
        ("https://a", ["https://a:443"], ["a:443", "https://b", "https://a:444"]),
        ("a:*", ["a:1", "a:65535"], ["https://a:1", "b:1"]),
        ("*.a.test:80", ["b.a.test", "c.b.a.test"], ["a.test", "xa.test", "b.a.test:81", "a.test.b"]),
        ("*:80", ["a", "[::1]", "127.0.0.1"], ["a:81", "unix:/a"]),
        ("https://*:*", ["https://a:1"], ["a:1"]),
        ("[::1]:*", ["[0::1]:9"], ["[::2]:9"]),
        ("unix:/run/a", ["unix:/run/a"], ["unix:/run/ab", "unix:/run/../run/a", "a"]),
    ],
)
def test_patterns_allow_what_they_say(pattern: str, allowed: list[str], refused: list[str]) -> None:
    """And nothing besides."""
    listed = AllowList(["nothing.test", pattern])
    assert [text for text in allowed if not listed.allows(parse_address(text))] == []
    assert [text for text in refused if listed.allows(parse_address(text))] == []


def test_nothing_is_allowed_by_default() -> None:
    """A plugin calls what is configured, unless more is said."""
    assert not AllowList().allows(parse_address("127.0.0.1"))
