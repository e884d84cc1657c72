"""What counts as a difference between two plugins' effects."""

from __future__ import annotations

import pytest

from host.shadow.effects import Content, Difference, Effect, changes, compare

HEAD = [(b":path", b"/"), (b"Accept", b"a"), (b"accept", b"b")]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (HEAD, {}),
        ([(b"ACCEPT", b"a"), (b":path", b"/"), (b"accept", b"b")], {}),  # neither case nor order
        ([(b":path", b"/x"), *HEAD[1:]], {b":path": (b"/x",)}),
        (HEAD[:2], {b"accept": (b"a",)}),
        (HEAD[:1], {b"accept": ()}),
        ([*HEAD, (b"X-New", b"1"), (b"x-new", b"2")], {b"x-new": (b"1", b"2")}),
    ],
)
def test_changes_are_the_fields_whose_values_differ(
    after: list[tuple[bytes, bytes]], expected: object
) -> None:
    assert changes(HEAD, after) == expected


def content(*pieces: bytes, whole: bool = True) -> Content:
    made = Content()
    for piece in pieces:
        made.add(piece, False)
    if whole:
        made.add(b"", True)
    return made


def effect(**fields: object) -> Effect:
    made = Effect(**{key: value for key, value in fields.items() if key != "request"})  # type: ignore[arg-type]
    made.fields[0] = fields.get("request", {})  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("used", "other", "expected"),
    [
        (effect(), effect(), []),
        (
            effect(request={b"a": (b"1",)}),
            effect(request={b"a": (b"1", b"2"), b"b": ()}),
            ["request a: 1 / 1, 2", "request b: as it was / removed"],
        ),
        (effect(request={b"date": (b"1",)}), effect(), []),
        (
            effect(request={b"authorization": (b"secret",)}),
            effect(request={b"authorization": (b"other",)}),
            ["request authorization: 1 values that are not shown / 1 values that are not shown"],
        ),
        (effect(answer=[(b":status", b"403")]), effect(), ["action: answers 403 / goes on"]),
        (
            effect(),
            effect(answer=[(b":status", b"503")], details="wasm_fail_stream"),
            ["action: goes on / answers 503 (wasm_fail_stream)"],
        ),
        (
            effect(answer=[(b":status", b"403")]),
            effect(answer=[(b":status", b"401")]),
            ["answer :status: 403 / 401"],
        ),
        (
            effect(bodies=(content(b"ab"), content())),
            effect(bodies=(content(b"a", b"b"), content())),
            [],
        ),
        (
            effect(bodies=(content(), content(b"ab"))),
            effect(bodies=(content(), content(b"abc"))),
            [
                "response body: 2 bytes, sha256 fb8e20fc2e4c3f24 / 3 bytes, sha256 ba7816bf8f01cfea",
            ],
        ),
        (effect(bodies=(content(), content(b"ab", whole=False))), effect(bodies=(content(), content(b"x"))), []),
    ],
)  # fmt: skip
def test_differences_are_told_in_words(used: Effect, other: Effect, expected: list[str]) -> None:
    assert list(map(str, compare(used, other, {b"date"}))) == expected


def test_long_values_are_cut() -> None:
    (found,) = compare(effect(request={b"a": (b"x" * 1000,)}), effect())
    assert found == Difference("request a", "x" * 200 + "…", "as it was")
