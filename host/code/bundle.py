"""Bundles of Tyk's: a zip file with a manifest.json and the files that it lists.

The checksum is the MD5 of the listed files' contents one behind the other, the signature RSA (PKCS #1 v1.5, SHA-256)
of the same bytes. It must not know what a manifest says besides.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from host.code.errors import CodeError

MANIFEST: Final = "manifest.json"

MAX_BUNDLE_SIZE: Final = 64 * 1024 * 1024
"""Bytes of a zip file. Modules of standard Go have about 5 MB."""

MAX_UNPACKED_SIZE: Final = 256 * 1024 * 1024
"""Bytes of all files of a bundle together."""

MAX_FILES: Final = 1000

_CHUNK: Final = 256 * 1024
_ENCRYPTED: Final = 1  # APPNOTE 4.4.4: general purpose bit 0


def unpack(data: bytes, folder: Path) -> None:
    """Write a zip file's files below a folder that is empty. Raises CodeError, having written some of them perhaps."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise CodeError(f"it has more than {MAX_FILES} files", is_final=True)
            left, seen = MAX_UNPACKED_SIZE, set[str]()
            for entry in entries:
                name = _checked_name(entry)
                if name in seen:
                    raise CodeError(f"it has {name!r} twice", is_final=True)
                seen.add(name)
                if not entry.is_dir():
                    left -= _extract(archive, entry, folder / name, left)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as error:
        raise CodeError(f"it is no zip file that can be read: {error}", is_final=True) from error
    except OSError as error:
        raise CodeError(f"it cannot be unpacked: {error.strerror or error}", is_final=True) from error


def check_name(name: str) -> str:
    """Return a name of a file in a bundle. Raises CodeError where it leads out of its folder."""
    path = PurePosixPath(name)
    plain = name.isprintable() and "\\" not in name and ":" not in name and len(name) <= 1024
    if not plain or path.is_absolute() or not path.parts or ".." in path.parts:
        raise CodeError(f"the name {name[:100]!r} leads out of the bundle", is_final=True)
    return str(path)


def _checked_name(entry: zipfile.ZipInfo) -> str:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise CodeError(f"{entry.filename[:100]!r} is neither a file nor a folder", is_final=True)
    if entry.flag_bits & _ENCRYPTED:
        raise CodeError(f"{entry.filename[:100]!r} is encrypted", is_final=True)
    return check_name(entry.filename)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> int:
    """Write one file, whatever size the archive says that it has; returns its size."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = 0
    with archive.open(entry) as source, target.open("xb") as file:
        while part := source.read(_CHUNK):
            size += len(part)
            if size > limit:
                raise CodeError(f"it has more than {MAX_UNPACKED_SIZE} bytes unpacked", is_final=True)
            file.write(part)
    return size


def content(folder: Path, file_list: Sequence[str]) -> bytes:
    """Return what checksum and signature are of. Raises CodeError for a file that is not there."""
    parts, left = [], MAX_UNPACKED_SIZE
    for name in file_list:
        try:
            with (folder / check_name(name)).open("rb") as file:
                parts.append(file.read(left + 1))
        except OSError as error:
            raise CodeError(f"{name}: {error.strerror or error}", is_final=True) from error
        left -= len(parts[-1])
        if left < 0:
            raise CodeError(f"its files have more than {MAX_UNPACKED_SIZE} bytes", is_final=True)
    return b"".join(parts)


def verify(
    folder: Path,
    file_list: Sequence[str],
    *,
    checksum: str,
    signature: str,
    digests: Mapping[str, str],
    public_key: Path | None,
) -> None:
    """Check the unpacked files. `digests`: SHA-256 by file, for those that have one. Raises CodeError."""
    data = content(folder, file_list)
    made = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if made != checksum.lower():
        raise CodeError(f"its checksum is {made}, not {checksum or 'given'}", is_final=True)
    for name, wanted in digests.items():
        made = hashlib.sha256(content(folder, [name])).hexdigest()
        if made != wanted:
            raise CodeError(f"{name}: its sha256 is {made}, not {wanted}", is_final=True)
    if public_key is not None:
        _verify_signature(data, signature, public_key)


def _verify_signature(data: bytes, signature: str, public_key: Path) -> None:
    if not signature:
        raise CodeError("it is not signed, and public_key_path wants it to be", is_final=True)
    try:
        signed = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise CodeError("its signature is not base64", is_final=True) from None
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ModuleNotFoundError as error:
        raise CodeError(_NEEDS, is_final=True) from error
    try:
        key = load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise CodeError(f"public_key_path {public_key}: {error}", is_final=True) from error
    if not isinstance(key, RSAPublicKey):
        raise CodeError(f"public_key_path {public_key}: not an RSA key", is_final=True)
    try:
        key.verify(signed, data, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise CodeError("it is signed by another key, or changed since", is_final=True) from error


_NEEDS: Final = "signatures need cryptography: pip install 'sluiceway[signature]'"


def sign(data: bytes, private_key: Path) -> str:
    """Return the signature of a bundle's content. Raises CodeError."""
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ModuleNotFoundError as error:
        raise CodeError(_NEEDS, is_final=True) from error
    try:
        key = load_pem_private_key(private_key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CodeError(f"{private_key}: {error}", is_final=True) from error
    if not isinstance(key, RSAPrivateKey):
        raise CodeError(f"{private_key}: not an RSA key", is_final=True)
    return base64.b64encode(key.sign(data, PKCS1v15(), SHA256())).decode()


def pack(folder: Path, file_list: Sequence[str], manifest: str) -> bytes:
    """Return the zip file of a manifest and the files that it lists. The same content makes the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({check_name(each) for each in file_list}):
            archive.writestr(_entry(name), content(folder, [name]))
        archive.writestr(_entry(MANIFEST), manifest)
    return made.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # of 1980, whenever it was written
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
