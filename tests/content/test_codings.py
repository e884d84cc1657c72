"""Decoding, and what bounds it."""

from __future__ import annotations

import contextlib
import gzip
import random

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.content import SUPPORTED, CodingError, new_decoder
from host.content.codings import MOST_BYTES, PIECE_BYTES
from tests.content.codings import ENCODERS, bare_deflate, zstd

TEXT = bytes(random.Random(1).choices(b"abcdefgh \n", k=300_000))
ALL = pytest.mark.parametrize("coding", ENCODERS)


def decode(coding: str, data: bytes, step: int = 1 << 20) -> bytes:
    """The content, given `step` bytes at a time, to its end."""
    decoder = new_decoder([coding.encode()])
    assert decoder is not None
    pieces = []
    for at in range(0, len(data), step):
        pieces += decoder.decode(data[at : at + step])
    decoder.finish()
    return b"".join(pieces)


@ALL
@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_what_was_coded_comes_out(coding: str, step: int) -> None:
    """However it is cut."""
    text = TEXT[:3000] if step == 1 else TEXT
    assert decode(coding, ENCODERS[coding](text), step) == text


@ALL
def test_pieces_are_small(coding: str) -> None:
    """A filter that streams holds no more than one of them."""
    decoder = new_decoder([coding.encode()])
    assert decoder is not None
    pieces = list(decoder.decode(ENCODERS[coding](TEXT)))
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= 2 * PIECE_BYTES


@ALL
def test_a_bomb_goes_off_within_bounds(coding: str) -> None:
    """A few bytes that come to gigabytes: an error at the limit, and pieces until then."""
    one = ENCODERS[coding](bytes(64 << 20))
    assert len(one) < 70_000
    decoder = new_decoder([coding.encode()])
    assert decoder is not None
    pieces: list[bytes] = []
    with pytest.raises(CodingError) as caught:
        pieces.extend(decoder.decode(one))
    assert caught.value.is_too_much
    assert sum(map(len, pieces)) <= MOST_BYTES


def test_a_bomb_of_bombs_is_bounded_too() -> None:
    """Codings one over the other multiply."""
    inner = gzip.compress(bytes(64 << 20))
    decoder = new_decoder([b"gzip, gzip"])
    assert decoder is not None
    with pytest.raises(CodingError, match="more than"):
        list(decoder.decode(gzip.compress(inner)))


@ALL
def test_content_that_ends_early_is_told(coding: str) -> None:
    """What is missing may be what matters."""
    with pytest.raises(CodingError, match="ends early"):
        decode(coding, ENCODERS[coding](TEXT)[:-20])


@ALL
def test_bytes_that_are_not_in_the_coding_are_told(coding: str) -> None:
    """Whatever the library raises for it."""
    with pytest.raises(CodingError):
        decode(coding, b"\xff\xfe no coding at all" * 5)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bytes_behind_the_end_are_told(coding: str) -> None:
    """They would be dropped in silence otherwise."""
    with pytest.raises(CodingError):
        decode(coding, ENCODERS[coding](b"text") + b"\1\2\3")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_members_are_one_content(coding: str) -> None:
    """RFC 1952, 2.2; RFC 8878, 3.1."""
    two = ENCODERS[coding](b"one ") + ENCODERS[coding](b"two")
    for step in (1, 9, 100):
        assert decode(coding, two, step) == b"one two"


def test_bare_deflate_is_taken() -> None:
    """RFC 9110, 8.4.1.2, says of it that some send it so."""
    assert decode("deflate", bare_deflate(TEXT)) == TEXT


def test_codings_are_undone_in_the_order_that_they_are_named() -> None:
    """The last one named was applied last."""
    assert decode("br,  GZIP", gzip.compress(brotli.compress(b"text"))) == b"text"
    decoder = new_decoder([b"br", b"identity", b"gzip"])
    assert decoder is not None
    assert b"".join(decoder.decode(gzip.compress(brotli.compress(b"text")))) == b"text"


@pytest.mark.parametrize(
    "fields", [[], [b""], [b"identity"], [b"compress"], [b"gzip, unknown"], [b"gzip, gzip, gzip, gzip"]]
)
def test_what_is_not_coded_or_not_known_has_no_decoder(fields: list[bytes]) -> None:
    """It stays as it is."""
    assert new_decoder(fields) is None


def test_no_bytes_are_no_content() -> None:
    """A HEAD answer, or a Content-Length of 0."""
    assert decode("gzip", b"") == b""


def test_a_window_beyond_http_s_is_refused() -> None:
    """RFC 9659: 8 MiB, else each exchange could ask for a gigabyte."""
    options = {zstd.CompressionParameter.window_log: 27}
    with pytest.raises(CodingError):
        decode("zstd", zstd.compress(bytes(random.Random(2).randbytes(9 << 20)), options=options))


def test_the_installation_for_tests_knows_all_codings() -> None:
    """br and zstd are extras."""
    assert SUPPORTED == (b"gzip", b"deflate", b"br", b"zstd")


@given(st.sampled_from(sorted(ENCODERS)), st.binary(max_size=400), st.integers(0, 400), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_damaged_content_gives_an_error_or_other_bytes(
    coding: str, text: bytes, at: int, change: int
) -> None:
    """Never another exception."""
    data = bytearray(ENCODERS[coding](text))
    data[at % len(data)] ^= change
    with contextlib.suppress(CodingError):
        decode(coding, bytes(data), 50)
