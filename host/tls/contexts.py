"""Contexts of Python's ssl from PEM text, and what plugins can read of a connection that was made with one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class TlsError(ValueError):
    """A certificate, key or CA that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a server presents itself. `depth`: certificates that may lie between a client's own and the CA's."""

    context: ssl.SSLContext
    depth: int = 1

    def refuses(self, tls: Any) -> str:
        """Return why the client's certificate is not taken, "" when it is. `tls`: an ssl.SSLObject."""
        if self.context.verify_mode is not ssl.CERT_REQUIRED:
            return ""
        # Public from Python 3.13 on. The first is the client's own, the last the CA's.
        chain = getattr(tls, "get_verified_chain", None) or tls._sslobj.get_verified_chain
        between = len(chain()) - 2
        return f"{between} certificates up to the CA, {self.depth} allowed" if between > self.depth else ""


def server_tls(
    certificate: str, key: str, *, client_ca: str = "", depth: int = 1, protocols: Sequence[str] = ()
) -> ServerTls:
    """Return how a server with this certificate and key, PEM texts, presents itself.

    `client_ca`: PEM text of the CAs of which clients must have a certificate. Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = [_VERSIONS[name] for name in protocols] or list(_VERSIONS.values())
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    with _as_file(certificate) as chain_file, _as_file(key) as key_file:
        try:
            context.load_cert_chain(chain_file, key_file, password=lambda: b"")
        except (ssl.SSLError, ValueError, OSError) as error:
            raise TlsError(f"certificate and key cannot be used: {_reason(error)}") from error
    if client_ca:
        try:
            context.load_verify_locations(cadata=client_ca)
        except (ssl.SSLError, ValueError) as error:
            raise TlsError(f"the CA cannot be used: {_reason(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return ServerTls(context, depth)


def client_tls(*, verify: bool, trusted: Path | None = None, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Return a context towards servers; `trusted` is a file of CAs, None the system's. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if trusted is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(trusted)
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"{trusted}: the CAs cannot be used: {_reason(error)}") from error
    return context


def properties_of(tls: Any, server_name: str) -> dict[bytes, bytes]:
    """Return what plugins read of a TLS connection of a client, path (NUL between segments) to value."""
    found = {b"tls_version": (tls.version() or "").encode()}
    if server_name:
        found[b"requested_server_name"] = server_name.encode()
    certificate = tls.getpeercert(binary_form=True)
    if certificate:
        found[b"mtls"] = b"\1"
        found[b"sha256_peer_certificate_digest"] = hashlib.sha256(certificate).hexdigest().encode()
        described = tls.getpeercert() or {}
        found[b"subject_peer_certificate"] = _subject(described).encode()
        for kind, path in (("DNS", b"dns_san_peer_certificate"), ("URI", b"uri_san_peer_certificate")):
            names = [value for name, value in described.get("subjectAltName", ()) if name == kind]
            if names:
                found[path] = names[0].encode()
    return {b"connection\0" + path: value for path, value in found.items()}


_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


def _subject(certificate: Any) -> str:
    """The subject as RFC 2253 writes it, the last part first."""
    parts = [
        f"{_SHORT.get(name, name)}={value}"
        for relative in reversed(certificate.get("subject", ()))
        for name, value in relative
    ]
    return ",".join(parts)


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    # load_cert_chain takes paths only; a key does not go to a disk for that.
    descriptor = os.memfd_create("pem")
    try:
        with os.fdopen(descriptor, "w", closefd=False) as file:
            file.write(text)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).lower().replace("_", " ")
