"""Plugins out of OCI registries (OCI distribution specification 1.1), in the layouts that are in use.

- Artifact: one layer is the module itself (media types of the CNCF's Wasm artifacts, and of Solo's and Istio's).
- Compat: an ordinary image whose last layer is a tar archive with `plugin.wasm` in it, as `docker build` makes it.

Whatever arrives is checked against the digest by which it was asked for.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from host.code import credentials
from host.code.errors import CodeError
from host.code.http import Answer, HttpClient
from host.code.reference import Reference

_MANIFEST_BYTES = 4 * 1024 * 1024  # what registries have to take (OCI distribution 1.1, "Pushing manifests")
_TOKEN_BYTES = 64 * 1024
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MODULES = (
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
)
_MEMBER = "plugin.wasm"
_CHALLENGE = re.compile(r'([a-zA-Z]+)="([^"]*)"')


class Registry:
    """One repository, with what is known of how to get in."""

    def __init__(self, reference: Reference, client: HttpClient, secret: Path | None) -> None:
        self.reference = reference
        self._client = client
        self._credentials = credentials.read(secret, reference.registry) if secret is not None else None
        self._authorization = ""

    def layer(self) -> dict[str, Any]:
        """Return the descriptor of the layer that has the module: mediaType, digest, size. Raises CodeError."""
        manifest = self._manifest(self.reference.manifest)
        if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
            manifest = self._manifest(self._chosen(manifest))
        layers = manifest.get("layers")
        if not isinstance(layers, list) or not layers or not all(map(_is_descriptor, layers)):
            raise self._error("the manifest has no layers", is_final=True)
        modules = [layer for layer in layers if layer.get("mediaType") in _MODULES]
        if len(modules) > 1:
            raise self._error(f"{len(modules)} layers are modules: one is expected", is_final=True)
        chosen: dict[str, Any] = modules[0] if modules else layers[-1]
        return chosen

    def module(self, layer: dict[str, Any], limit: int) -> bytes:
        """Return the module of a layer. Raises CodeError."""
        digest = layer["digest"]
        blob = self._get(f"blobs/{digest}", limit, "*/*").body
        self._check(blob, digest)
        return blob if layer.get("mediaType") in _MODULES else self._unpacked(blob, limit)

    def _chosen(self, index: dict[str, Any]) -> str:
        """The one manifest, or the one for wasm, of an image that has several."""
        entries = index.get("manifests")
        if not isinstance(entries, list) or not all(map(_is_descriptor, entries)):
            raise self._error("the index of manifests is not well-formed", is_final=True)
        fitting = [
            entry
            for entry in entries
            if isinstance(entry.get("platform"), dict) and entry["platform"].get("architecture") == "wasm"
        ]
        candidates = fitting or entries
        if len(candidates) != 1:
            raise self._error(
                f"{len(candidates)} manifests, and none of them is for wasm alone", is_final=True
            )
        return str(candidates[0]["digest"])

    def _manifest(self, name: str) -> dict[str, Any]:
        body = self._get(f"manifests/{name}", _MANIFEST_BYTES, ", ".join((*_MANIFESTS, *_INDEXES))).body
        if name.startswith("sha256:"):
            self._check(body, name)
        try:
            manifest = json.loads(body)
        except ValueError as error:
            raise self._error(f"the manifest is no JSON: {error}", is_final=True) from error
        if not isinstance(manifest, dict):
            raise self._error("the manifest is no JSON object", is_final=True)
        return manifest

    def _get(self, path: str, limit: int, accept: str) -> Answer:
        answer = self._ask(path, limit, accept)
        if answer.status == 401:
            self._authorization = self._authorize(answer.headers.get("www-authenticate", ""))
            answer = self._ask(path, limit, accept)
        if answer.status in (401, 403):
            raise self._error(f"access denied ({answer.status}): see image_pull_secret", is_final=True)
        if answer.status != 200:
            raise self._error(f"{path.partition('/')[0]}: status {answer.status}")
        return answer

    def _ask(self, path: str, limit: int, accept: str) -> Answer:
        headers = {"Accept": accept}
        if self._authorization:
            headers["Authorization"] = self._authorization
        return self._client.get(f"{self.reference.base}/{path}", limit, headers)

    def _authorize(self, challenge: str) -> str:
        """Answer a challenge: Basic, or Bearer with a token of the registry's own service (Docker's token scheme)."""
        scheme, _, rest = challenge.partition(" ")
        given = self._credentials
        if scheme.lower() == "basic" and given is not None:
            return given.basic
        fields = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or not fields.get("realm", "").startswith(("https://", "http://")):
            raise self._error("the registry wants credentials: see image_pull_secret", is_final=True)
        realm = fields["realm"]
        if self.reference.base.startswith("https://") and not realm.startswith("https://"):
            raise self._error(f"credentials are not sent to {realm}, which has no TLS", is_final=True)
        query = urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
        headers = {"Authorization": given.basic} if given is not None else {}
        answer = self._client.get(f"{realm}?{query}", _TOKEN_BYTES, headers)
        try:
            body = json.loads(answer.body)
            token = body.get("token") or body["access_token"]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise self._error(f"no token (status {answer.status}): see image_pull_secret") from error
        return f"Bearer {token}"

    def _check(self, content: bytes, digest: str) -> None:
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise self._error(f"what came as {digest} has another digest", is_final=True)

    def _unpacked(self, archive: bytes, limit: int) -> bytes:
        """Return `plugin.wasm` out of an archive. Nothing is written anywhere: names in it lead nowhere."""
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r|*") as members:
                for member in members:
                    if member.name.removeprefix("./") == _MEMBER and member.isreg():
                        if member.size > limit:
                            raise self._error(f"{_MEMBER} is larger than {limit} bytes", is_final=True)
                        content = members.extractfile(member)
                        assert content is not None
                        return content.read()
                    if members.offset > 2 * limit:
                        raise self._error(
                            f"the last layer unpacks to more than {2 * limit} bytes", is_final=True
                        )
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise self._error(
                f"the last layer is neither a module nor a tar archive ({error})", is_final=True
            ) from error
        raise self._error(f"the last layer has no {_MEMBER}", is_final=True)

    def _error(self, message: str, *, is_final: bool = False) -> CodeError:
        place = f"oci://{self.reference.registry}/{self.reference.repository}"
        separator = "@" if self.reference.digest else ":"
        return CodeError(f"{place}{separator}{self.reference.manifest}: {message}", is_final=is_final)


def _is_descriptor(value: object) -> bool:
    return (
        isinstance(value, dict) and re.fullmatch(r"sha256:[0-9a-f]{64}", str(value.get("digest"))) is not None
    )
