"""What decoding a body changes in its head (RFC 9110, 8.4 and 8.8.3; RFC 9530)."""

from __future__ import annotations

from host.content.codings import SUPPORTED, Decoder, new_decoder
from host.headers import HeaderMap

# Of the coded bytes: their length, and what was computed over them.
_OF_THE_CODED = (
    b"content-encoding",
    b"content-length",
    b"content-digest",
    b"repr-digest",
    b"content-md5",
    b"digest",
)


def is_coded(headers: HeaderMap) -> bool:
    """Return whether a message says that its content is coded."""
    return any(
        field.strip().lower() not in (b"", b"identity") for field in headers.get_all(b"content-encoding")
    )


def decoded_request(headers: HeaderMap) -> Decoder | None:
    """Prepare a request's head for a body that will be decoded; None for codings that are not known here."""
    decoder = new_decoder(headers.get_all(b"content-encoding"))
    if decoder is not None:
        _drop(headers)
    return decoder


def decoded_response(headers: HeaderMap) -> Decoder | None:
    """Prepare a response's head; None where it stays as it is: another coding, or a part of the coded content."""
    if headers.get(b":status") == b"206":
        return None
    decoder = new_decoder(headers.get_all(b"content-encoding"))
    if decoder is None:
        return None
    _drop(headers)
    headers.remove(b"accept-ranges")
    etag = headers.get(b"etag")
    if etag is not None and not etag.startswith(b"W/"):
        headers.set(b"etag", b"W/" + etag)  # the same content in other bytes: no strong validator of them
    return decoder


def _drop(headers: HeaderMap) -> None:
    for name in _OF_THE_CODED:
        headers.remove(name)


def accept_supported(headers: HeaderMap) -> None:
    """Ask for no coding that could not be decoded here."""
    if b"accept-encoding" not in headers:
        return
    wanted = [item.strip() for field in headers.get_all(b"accept-encoding") for item in field.split(b",")]
    kept = [item for item in wanted if item.partition(b";")[0].strip().lower() in (*SUPPORTED, b"identity")]
    headers.set(b"accept-encoding", b", ".join(kept) or b"identity")
