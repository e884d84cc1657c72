"""Modules that are signed as wasmsign signs them."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host.code import CodeError, verify

MODULE = b"\0asm\1\0\0\0" + b"\0\5\4note"
OWNER, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
KEY = OWNER.public_key().public_bytes_raw()


def signed(module: bytes, key: Ed25519PrivateKey = OWNER, algorithm: int = 2) -> bytes:
    """The module with its signature as the last section."""
    digest = hashlib.sha512(b"WasmSignature\0\0\0\0" + module).digest()
    payload = b"\x12signature_wasmsign" + algorithm.to_bytes(4, "little") + key.sign(digest)
    return module + b"\0" + bytes([len(payload)]) + payload


def test_a_signed_module_passes() -> None:
    """Nothing is said."""
    verify(signed(MODULE), KEY)


def test_the_form_is_that_of_the_tool() -> None:
    """The bytes in front of the signature, counted by hand: section 0 of 87 bytes, a name of 18, algorithm 2."""
    assert signed(MODULE)[len(MODULE) :][:25] == b"\x00\x57\x12signature_wasmsign\x02\x00\x00\x00"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (MODULE, "not signed"),
        (b"", "not signed"),
        (signed(MODULE) + b"\0\2\1x", "not signed"),
        (signed(MODULE, algorithm=1), "algorithm 1, not Ed25519"),
        (signed(MODULE, OTHER), "another key"),
        (signed(MODULE).replace(b"note", b"nota"), "changed since"),
        (signed(MODULE)[:-1] + bytes([signed(MODULE)[-1] ^ 1]), "changed since"),
    ],
    ids=["unsigned", "empty", "section-behind", "algorithm", "other-key", "changed", "changed-signature"],
)
def test_any_other_is_refused(module: bytes, message: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(CodeError, match=message):
        verify(module, KEY)
