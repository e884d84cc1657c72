"""Plugins out of a registry: what is taken from a manifest, how a registry is asked, what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host.code import CodeError
from host.code.credentials import Credentials, read
from host.code.http import HttpClient
from host.code.oci import Registry
from host.code.reference import Reference, parse
from host.testing import UpstreamServer
from host.testing.upstream import Request, Response
from tests.code.images import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    TAR_GZIP,
    archive,
    descriptor,
    digest,
    manifest,
)

MODULE = b"\0asm\1\0\0\0"
HEX = "0" * 64
LIMIT = 65536


@pytest.mark.parametrize(
    ("url", "expected", "base"),
    [
        (
            "oci://ghcr.io/team/plugin:1.2",
            ("ghcr.io", "team/plugin", "1.2", ""),
            "https://ghcr.io/v2/team/plugin",
        ),
        ("oci://ghcr.io/plugin", ("ghcr.io", "plugin", "latest", ""), "https://ghcr.io/v2/plugin"),
        (
            f"oci://r.example:5000/a/b@sha256:{HEX}",
            ("r.example:5000", "a/b", "", f"sha256:{HEX}"),
            "https://r.example:5000/v2/a/b",
        ),
        (
            f"oci://r.example/a:t@sha256:{HEX}",
            ("r.example", "a", "t", f"sha256:{HEX}"),
            "https://r.example/v2/a",
        ),
        (
            "oci://docker.io/plugin:1",
            ("docker.io", "library/plugin", "1", ""),
            "https://registry-1.docker.io/v2/library/plugin",
        ),
        (
            "oci://127.0.0.1:5000/p:1",
            ("127.0.0.1:5000", "p", "1", ""),
            "http://127.0.0.1:5000/v2/p",
        ),
        ("oci://[::1]:5000/p:1", ("[::1]:5000", "p", "1", ""), "http://[::1]:5000/v2/p"),
    ],
)
def test_a_reference_names_registry_repository_and_manifest(
    url: str, expected: tuple[str, ...], base: str
) -> None:
    """Docker's rules: `latest` unless named, `library/` on its hub; plain HTTP to this machine alone."""
    assert parse(url) == Reference(*expected)
    assert parse(url).base == base


@pytest.mark.parametrize(
    "url",
    [
        "oci://", "oci://host", "oci://host/", "oci://host/UPPER", "oci://host/a:", "oci://host/a@sha256:12",
        "oci://host/a b", "oci://host/../a", "oci://u:p@host/a", "https://host/a", "oci://host/a:t?x=1",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused(url: str) -> None:
    """Nothing of it may reach a path of the registry's interface."""
    with pytest.raises(CodeError, match="expected oci://"):
        parse(url)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": base64.b64encode(b"ann:se:cret").decode()}, Credentials("ann", "se:cret")),
        ({"username": "ann", "password": "secret"}, Credentials("ann", "secret")),
    ],
)
@pytest.mark.parametrize("key", ["r.example:5000", "https://r.example:5000", "https://r.example:5000/v2/"])
def test_credentials_are_found_by_registry(
    tmp_path: Path, entry: dict[str, str], expected: Credentials, key: str
) -> None:
    """Tools write the key in several ways."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {"other.example": {"auth": "eDp5"}, key: entry}}))
    assert read(file, "r.example:5000") == expected
    assert read(file, "third.example") is None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"auths": 1}', '{"auths": {"r": {"auth": "?"}}}', '{"auths": {"r": {}}}']
)
def test_a_bad_file_of_credentials_is_named(tmp_path: Path, text: str) -> None:
    """The operator's slip, not the registry's refusal."""
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(CodeError, match=r"image_pull_secret .*config\.json.*Docker"):
        read(file, "r")


class FakeRegistry:
    """Serves what is put into it under any repository's name; `guard` may answer first."""

    def __init__(self, server: UpstreamServer) -> None:
        self.server = server
        self.contents: dict[str, tuple[bytes, str]] = {}
        self.guard: Callable[[Request], Response | None] = lambda _: None
        server.handler = self._answer

    def put(self, path: str, content: bytes, media_type: str = "application/octet-stream") -> bytes:
        """Serve content at manifests/NAME or blobs/DIGEST."""
        self.contents[path] = (content, media_type)
        return content

    def image(self, layers: list[tuple[bytes, str]], tag: str = "1", media_type: str = OCI_MANIFEST) -> None:
        """Serve an image under a tag and under its digest."""
        text = manifest(layers, media_type)
        for name in (tag, digest(text)):
            self.put(f"manifests/{name}", text, media_type)
        for content, _ in layers:
            self.put(f"blobs/{digest(content)}", content)

    def _answer(self, request: Request) -> Response:
        if (guarded := self.guard(request)) is not None:
            return guarded
        content, media_type = self.contents.get(request.target.removeprefix("/v2/team/p/"), (b"", ""))
        return Response(200 if media_type else 404, [("Content-Type", media_type)], content)

    def open(self, secret: Path | None = None, name: str = ":1", limit: int = LIMIT) -> bytes:
        """Fetch the module as the gateway does."""
        reference = parse(f"oci://{self.server.node}/team/p{name}")
        registry = Registry(reference, HttpClient(timeout=5, retries=0), secret)
        return registry.module(registry.layer(), limit)


@pytest.fixture
def registry(upstream: UpstreamServer) -> FakeRegistry:
    """An empty registry."""
    return FakeRegistry(upstream)


@pytest.mark.parametrize(
    ("layers", "media_type"),
    [
        ([(MODULE, "application/wasm")], OCI_MANIFEST),
        ([(MODULE, "application/vnd.wasm.content.layer.v1+wasm")], OCI_MANIFEST),
        (
            [(b"notes", "text/plain"), (MODULE, "application/vnd.module.wasm.content.layer.v1+wasm")],
            OCI_MANIFEST,
        ),
        ([(archive({"plugin.wasm": MODULE}), TAR_GZIP)], OCI_MANIFEST),
        ([(b"base", TAR_GZIP), (archive({"a": b"x", "./plugin.wasm": MODULE}), TAR_GZIP)], DOCKER_MANIFEST),
        (
            [(archive({"plugin.wasm": MODULE}, compressed=False), "application/vnd.oci.image.layer.v1.tar")],
            OCI_MANIFEST,
        ),
    ],
    ids=["cncf", "wasm-content", "solo-with-notes", "compat", "docker", "uncompressed"],
)
def test_every_layout_in_use_is_read(
    registry: FakeRegistry, layers: list[tuple[bytes, str]], media_type: str
) -> None:
    """Artifacts and images."""
    registry.image(layers, media_type=media_type)
    assert registry.open() == MODULE


def test_an_image_is_found_by_its_digest(registry: FakeRegistry) -> None:
    """A tag may move, a digest cannot."""
    registry.image([(MODULE, "application/wasm")])
    text = registry.contents["manifests/1"][0]
    assert registry.open(name=f"@{digest(text)}") == MODULE


def test_of_an_index_the_manifest_for_wasm_is_taken(registry: FakeRegistry) -> None:
    """Builders for several platforms add others."""
    registry.image([(MODULE, "application/wasm")], tag="inner")
    inner = registry.contents["manifests/inner"][0]
    entries = [
        {**descriptor(b"other", OCI_MANIFEST), "platform": {"architecture": "amd64", "os": "linux"}},
        {**descriptor(inner, OCI_MANIFEST), "platform": {"architecture": "wasm", "os": "wasip1"}},
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    registry.put("manifests/1", index, OCI_INDEX)
    assert registry.open() == MODULE


def _two_modules(registry: FakeRegistry) -> None:
    registry.image([(MODULE, "application/wasm"), (MODULE + b"\0", "application/wasm")])


def _no_layers(registry: FakeRegistry) -> None:
    registry.image([])


def _no_json(registry: FakeRegistry) -> None:
    registry.put("manifests/1", b"<html>", "text/html")


def _ambiguous_index(registry: FakeRegistry) -> None:
    entries = [descriptor(text, OCI_MANIFEST) for text in (b"a", b"b")]
    registry.put("manifests/1", json.dumps({"manifests": entries}).encode(), OCI_INDEX)


def _other_blob(registry: FakeRegistry) -> None:
    registry.image([(MODULE, "application/wasm")])
    registry.put(f"blobs/{digest(MODULE)}", b"something else")


def _no_plugin(registry: FakeRegistry) -> None:
    registry.image([(archive({"other.wasm": MODULE}), TAR_GZIP)])


def _no_archive(registry: FakeRegistry) -> None:
    registry.image([(b"garbage", TAR_GZIP)])


def _cut_archive(registry: FakeRegistry) -> None:
    registry.image([(archive({"plugin.wasm": MODULE * 20})[:60], TAR_GZIP)])


def _large_plugin(registry: FakeRegistry) -> None:
    registry.image([(archive({"plugin.wasm": bytes(100_000)}), TAR_GZIP)])


def _bomb(registry: FakeRegistry) -> None:
    registry.image([(archive({"zeros": bytes(2_000_000), "plugin.wasm": MODULE}), TAR_GZIP)])


def _large_blob(registry: FakeRegistry) -> None:
    registry.image([(bytes(LIMIT + 1), "application/wasm")])


def _path_in_digest(registry: FakeRegistry) -> None:
    layer: dict[str, Any] = {"mediaType": "application/wasm", "digest": "sha256:../../secret"}
    registry.put("manifests/1", json.dumps({"layers": [layer]}).encode(), OCI_MANIFEST)


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (_two_modules, "2 layers are modules"),
        (_no_layers, "no layers"),
        (_no_json, "no JSON"),
        (_ambiguous_index, "2 manifests"),
        (_other_blob, "has another digest"),
        (_no_plugin, r"no plugin\.wasm"),
        (_no_archive, "neither a module nor a tar archive"),
        (_cut_archive, "tar archive"),
        (_large_plugin, "larger than"),
        (_bomb, "unpacks to more"),
        (_large_blob, "larger than"),
        (_path_in_digest, "no layers"),
    ],
)
def test_what_is_not_right_is_refused(
    registry: FakeRegistry, fill: Callable[[FakeRegistry], None], message: str
) -> None:
    """With the image's name, and for good: asking again would change nothing."""
    fill(registry)
    with pytest.raises(CodeError, match=message) as caught:
        registry.open()
    assert caught.value.is_final
    assert registry.server.node in str(caught.value)


def test_a_registry_that_has_no_such_image_may_have_it_later(registry: FakeRegistry) -> None:
    """It is pushed while the gateway starts."""
    with pytest.raises(CodeError, match="status 404") as caught:
        registry.open()
    assert not caught.value.is_final


@pytest.fixture
def secret(tmp_path: Path, registry: FakeRegistry) -> Path:
    """A file of credentials for the registry."""
    file = tmp_path / "secret.json"
    file.write_text(json.dumps({"auths": {registry.server.node: {"username": "ann", "password": "pw"}}}))
    return file


def test_a_token_is_asked_for_with_the_credentials(registry: FakeRegistry, secret: Path) -> None:
    """Docker's token scheme: challenge, token service, bearer token."""
    registry.image([(MODULE, "application/wasm")])
    realm = f"http://{registry.server.node}/token"

    def guard(request: Request) -> Response | None:
        if request.target == "/token?service=reg&scope=repository%3Ateam%2Fp%3Apull":
            assert request.header("authorization") == Credentials("ann", "pw").basic
            return Response(200, body=b'{"token": "t0"}')
        if request.header("authorization") == "Bearer t0":
            return None
        challenge = f'Bearer realm="{realm}",service="reg",scope="repository:team/p:pull"'
        return Response(401, [("WWW-Authenticate", challenge)])

    registry.guard = guard
    assert registry.open(secret) == MODULE


def test_basic_credentials_are_given_when_asked_for(registry: FakeRegistry, secret: Path) -> None:
    """Small registries do without a token service."""
    registry.image([(MODULE, "application/wasm")])

    def guard(request: Request) -> Response | None:
        if request.header("authorization") == Credentials("ann", "pw").basic:
            return None
        return Response(401, [("WWW-Authenticate", 'Basic realm="r"')])

    registry.guard = guard
    assert registry.open(secret) == MODULE
    assert registry.server.requests[0].header("authorization") is None
    with pytest.raises(CodeError, match="image_pull_secret"):
        registry.open()


def test_denied_access_says_what_to_do(registry: FakeRegistry, secret: Path) -> None:
    """403 behind good credentials too."""
    registry.guard = lambda _: Response(403)
    with pytest.raises(CodeError, match=r"access denied \(403\): see image_pull_secret"):
        registry.open(secret)
