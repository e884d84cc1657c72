"""Ed25519 signatures inside modules, as the tool wasmsign makes them and Envoy checks them.

The last section of a signed module is the custom section `signature_wasmsign`: the number of the algorithm (2), and the
signature of the SHA-512 over "WasmSignature", an empty text's length, and the module before that section.
"""

from __future__ import annotations

import hashlib

from host.code.errors import CodeError

_NAME = b"signature_wasmsign"
_ED25519 = (2).to_bytes(4, "little")
_PAYLOAD = 4 + 64
# Identifier, length (one byte, as it is below 128), length of the name, name, payload.
_SECTION = bytes((0, 1 + len(_NAME) + _PAYLOAD, len(_NAME))) + _NAME


def verify(module: bytes, key: bytes) -> None:
    """Check that the owner of an Ed25519 public key (32 bytes) has signed the module. Raises CodeError if not."""
    length = len(_SECTION) + _PAYLOAD
    section = module[-length:]
    if not section.startswith(_SECTION):
        raise CodeError(f"not signed: its last section is not {_NAME.decode()}", is_final=True)
    algorithm, signature = section[len(_SECTION) : len(_SECTION) + 4], section[-64:]
    if algorithm != _ED25519:
        raise CodeError(
            f"signed by algorithm {int.from_bytes(algorithm, 'little')}, not Ed25519 (2)", is_final=True
        )
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ModuleNotFoundError as error:
        raise CodeError(
            "signatures need cryptography: pip install 'sluiceway[signature]'", is_final=True
        ) from error
    digest = hashlib.sha512(b"WasmSignature" + bytes(4) + module[:-length]).digest()
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, digest)
    except InvalidSignature as error:
        raise CodeError("signed by another key, or changed since", is_final=True) from error
