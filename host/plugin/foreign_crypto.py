"""The foreign functions verify_signature and sign, as Envoy has them: RSA (PKCS #1 v1.5) and ECDSA over SHA digests.

They need the extra `signature` (cryptography), which is imported by their first call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from abi.protobuf import encode_message
from abi.types import Status
from host.plugin.foreign import BUILT_IN, ForeignCall, ForeignFunctionError
from host.plugin.foreign_builtin import bytes_of, message

_HASHES = {"sha1": "SHA1", "sha224": "SHA224", "sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"}
_KEYS = 64


def verify_signature(call: ForeignCall) -> bytes:
    """VerifySignatureArguments: hash_function 1, public_key (DER) 2, signature 3, text 4, public_key_pem 5.

    Returns VerifySignatureResult: result 1, error 2. Neither or both keys, or one that cannot be read: BAD_ARGUMENT.
    """
    from cryptography.exceptions import InvalidSignature

    fields = message(call)
    key = _key(_public_key, bytes_of(fields, 2), bytes_of(fields, 5))
    digest = _digest(bytes_of(fields, 1))
    signature, text = bytes_of(fields, 3), bytes_of(fields, 4)
    if digest is None:
        return _failure(bytes_of(fields, 1))
    try:
        key.verify(signature, text, *_scheme(key, digest))
    except InvalidSignature:
        return encode_message({2: b"Failed to verify digest."})
    return encode_message({1: 1})


def sign(call: ForeignCall) -> bytes:
    """SignArguments: hash_function 1, private_key (DER) 2, text 3, private_key_pem 4.

    Returns SignResult: result 1, signature 2, error 3. Keys as for verify_signature; one that has a password counts as
    one that cannot be read.
    """
    fields = message(call)
    key = _key(_private_key, bytes_of(fields, 2), bytes_of(fields, 4))
    digest = _digest(bytes_of(fields, 1))
    if digest is None:
        return encode_message({3: _unsupported(bytes_of(fields, 1))})
    return encode_message({1: 1, 2: key.sign(bytes_of(fields, 3), *_scheme(key, digest))})


def _key(load: Callable[[bytes, bool], Any], der: bytes, pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if bool(der) == bool(pem):
        raise ForeignFunctionError(Status.BAD_ARGUMENT)
    try:
        key = load(der or pem, bool(pem))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ForeignFunctionError(Status.BAD_ARGUMENT) from error
    known = rsa.RSAPublicKey | rsa.RSAPrivateKey | ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey
    if not isinstance(key, known):
        raise ForeignFunctionError(Status.BAD_ARGUMENT)
    return key


# To read a private RSA key takes longer than a callback may (its numbers are checked): a plugin pays for that once.
@lru_cache(_KEYS)
def _private_key(data: bytes, is_pem: bool) -> Any:
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    return load(data, None)


@lru_cache(_KEYS)
def _public_key(data: bytes, is_pem: bool) -> Any:
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_pem_public_key if is_pem else serialization.load_der_public_key
    return load(data)


def _scheme(key: Any, digest: Any) -> tuple[Any, ...]:
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return padding.PKCS1v15(), digest
    return (ec.ECDSA(digest),)


def _digest(name: bytes) -> Any:
    from cryptography.hazmat.primitives import hashes

    known = _HASHES.get(name.decode(errors="replace").lower())
    return getattr(hashes, known)() if known is not None else None


def _unsupported(name: bytes) -> bytes:
    return name[:100] + b" is not supported."


def _failure(name: bytes) -> bytes:
    return encode_message({2: _unsupported(name)})


def _needs_library(function: Callable[[ForeignCall], bytes]) -> Callable[[ForeignCall], bytes]:
    def call(of: ForeignCall) -> bytes:
        try:
            return function(of)
        except ModuleNotFoundError as error:
            reason = "it needs cryptography: pip install 'sluiceway[signature]'"
            raise ForeignFunctionError(Status.UNIMPLEMENTED, reason) from error

    return call


BUILT_IN.update(verify_signature=_needs_library(verify_signature), sign=_needs_library(sign))
