"""Plugins that are fetched: the gateway serves with them, waits for them, and keeps what it has when another is no good."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host import proxy as proxies
from host.code import remote
from host.errors import ConfigError
from host.proxy import Proxy
from host.testing import ProxyServer, UpstreamServer
from host.testing.upstream import Request, Response
from host.wasm.cache import ModuleCache
from tests.code.images import OCI_MANIFEST, digest, manifest
from tests.code.test_signature import signed
from tests.e2e.embedded import ask, load, plugin
from tests.e2e.gateway import run
from tests.e2e.test_reload import until

MODULE = Path(plugin("custom_response_header")).read_bytes()
DIGEST = hashlib.sha256(MODULE).hexdigest()


def text(node: str, code: str, value: str = "APISIX") -> str:
    """A route through the plugin, whose code is where `code` says."""
    return (
        f"wasm: {{plugins: [{{name: header, priority: 1, {code}}}]}}\n"
        f"routes: [{{uri: /*, upstream: {{nodes: {{'{node}': 1}}}}, "
        f"plugins: {{header: {{conf: {{headers: [{{name: X-Go-Wasm, value: {value}}}]}}}}}}}}]\n"
    )


def remote_code(server: UpstreamServer, sha256: str = DIGEST) -> str:
    """Fetched from the server, in one try."""
    return f"url: 'http://{server.node}/p.wasm', sha256: {sha256}, fetch_retries: 0"


def serve(server: UpstreamServer, module: bytes = MODULE) -> None:
    """Answer with the module at /p.wasm and with nothing else."""

    def handle(request: Request) -> Response:
        return Response(200, body=module if request.target == "/p.wasm" else b"")

    server.handler = handle


def fetches(server: UpstreamServer) -> int:
    """How often the module was asked for."""
    return sum(request.target == "/p.wasm" for request in server.requests)


def test_workers_fetch_a_module_once(
    proxy_server: Callable[..., ProxyServer], upstream: UpstreamServer, tmp_path: Path
) -> None:
    """The first keeps it for the others."""
    serve(upstream)
    environment = {"SLUICEWAY_CACHE": str(tmp_path / "cache/modules")}
    proxy = proxy_server(text(upstream.node, remote_code(upstream)), workers=2, environment=environment)
    assert {proxy.request("GET").header("X-Go-Wasm") for _ in range(10)} == {"APISIX"}
    assert fetches(upstream) == 1
    assert (tmp_path / f"cache/code/{DIGEST}.wasm").read_bytes() == MODULE


def test_a_module_that_comes_late_is_served_then(
    upstream: UpstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the route answers 503; nobody has to reload."""
    monkeypatch.setattr(remote, "NEGATIVE_SECONDS", 0.1)
    monkeypatch.setattr(proxies, "NEGATIVE_SECONDS", 0.2)
    upstream.respond(503)

    async def test() -> None:
        config = load(text(upstream.node, remote_code(upstream)))
        async with Proxy(config, cache=ModuleCache(tmp_path / "modules")) as proxy:
            assert [problem.path for problem in proxy.problems] == ["wasm.plugins[0].url"]
            assert "status 503" in str(proxy.problems[0])
            assert (await ask(proxy, "/")).status == 503
            serve(upstream)
            await until(lambda: not proxy.problems)
            answer = await ask(proxy, "/")
            assert (answer.status, answer.field(b"x-go-wasm")) == (200, b"APISIX")

    run(test())


def test_a_closed_gateway_fetches_no_more(
    upstream: UpstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timer goes with it."""
    monkeypatch.setattr(remote, "NEGATIVE_SECONDS", 0.0)
    monkeypatch.setattr(proxies, "NEGATIVE_SECONDS", 0.05)
    upstream.respond(503)

    async def test() -> None:
        async with Proxy(
            load(text(upstream.node, remote_code(upstream))), cache=ModuleCache(tmp_path / "modules")
        ):
            pass
        count = len(upstream.requests)
        await asyncio.sleep(0.2)
        assert len(upstream.requests) == count

    run(test())


def test_another_module_than_the_one_named_leaves_the_old_one_serving(
    upstream: UpstreamServer, tmp_path: Path
) -> None:
    """A reload with a wrong digest is refused with both digests."""
    serve(upstream)

    async def test() -> None:
        cache = ModuleCache(tmp_path / "modules")
        async with Proxy(load(text(upstream.node, remote_code(upstream))), cache=cache) as proxy:
            with pytest.raises(ConfigError, match=f"sha256 is {DIGEST}, not {'f' * 64}"):
                await proxy.reload(load(text(upstream.node, remote_code(upstream, "f" * 64), "new")))
            assert (await ask(proxy, "/")).field(b"x-go-wasm") == b"APISIX"

    run(test())


def test_an_image_is_served_and_a_moved_tag_followed(upstream: UpstreamServer, tmp_path: Path) -> None:
    """With `always` a reload asks for the tag again; only what is new is downloaded."""
    other = MODULE + b"\0\5\4note"  # the same but for a custom section
    current = [MODULE]

    def handle(request: Request) -> Response:
        blobs = {f"/v2/team/p/blobs/{digest(module)}": module for module in (MODULE, other)}
        if request.target == "/v2/team/p/manifests/1":
            body = manifest([(current[0], "application/wasm")])
            return Response(200, [("Content-Type", OCI_MANIFEST)], body)
        return Response(200, body=blobs.get(request.target, b""))

    upstream.handler = handle

    async def test() -> None:
        code = f"url: 'oci://{upstream.node}/team/p:1', image_pull_policy: always"
        config = load(text(upstream.node, code))
        async with Proxy(config, cache=ModuleCache(tmp_path / "modules")) as proxy:
            assert (await ask(proxy, "/")).field(b"x-go-wasm") == b"APISIX"
            await proxy.reload(config)
            current[0] = other
            await proxy.reload(config)
            assert (await ask(proxy, "/")).field(b"x-go-wasm") == b"APISIX"
        targets = [
            request.target.partition("/p/")[2] for request in upstream.requests if "/p/" in request.target
        ]
        assert targets == [
            "manifests/1", f"blobs/{digest(MODULE)}", "manifests/1", "manifests/1", f"blobs/{digest(other)}",
        ]  # fmt: skip

    run(test())


def test_a_module_may_stand_in_the_configuration(upstream: UpstreamServer) -> None:
    """In base64, for what is small."""

    async def test() -> None:
        code = f"inline_bytes: {base64.b64encode(MODULE).decode()}"
        async with Proxy(load(text(upstream.node, code))) as proxy:
            assert (await ask(proxy, "/")).field(b"x-go-wasm") == b"APISIX"

    run(test())


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_key_lets_only_signed_modules_run(
    upstream: UpstreamServer, tmp_path: Path, is_signed: bool
) -> None:
    """Files too."""
    owner = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    file = tmp_path / "plugin.wasm"
    file.write_bytes(signed(MODULE, owner) if is_signed else MODULE)
    key = owner.public_key().public_bytes_raw().hex()

    async def test() -> None:
        async with Proxy(load(text(upstream.node, f"file: {file}, verification_key: '{key}'"))) as proxy:
            answer = await ask(proxy, "/")
            assert answer.status == (200 if is_signed else 503)
            assert answer.field(b"x-go-wasm") == (b"APISIX" if is_signed else None)
            if not is_signed:
                assert "plugin header: not signed" in str(proxy.problems[0])

    run(test())
