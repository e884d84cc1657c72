"""RSA keys for the tests of bundles, of `cryptography`, which the extra `signature` brings."""

from __future__ import annotations

from pathlib import Path

import pytest


def rsa_keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A new pair: the private key's file and the public key's."""
    pytest.importorskip("cryptography", reason="signatures need cryptography (the extra `signature`)")
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    private = rsa.generate_private_key(65537, 2048)
    files = folder / f"{name}.pem", folder / f"{name}.pub"
    files[0].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return files
