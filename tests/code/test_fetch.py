"""Code over HTTP: limits, tries, what is kept on disk, and for how long a failure is not tried again."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.code import CodeError, Fetcher, Remote, http, remote
from host.testing import UpstreamServer
from host.testing.upstream import Request, Response

MODULE = b"\0asm\1\0\0\0"
DIGEST = hashlib.sha256(MODULE).hexdigest()


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    """One with an empty folder."""
    return Fetcher(tmp_path / "code", 4096)


def at(server: UpstreamServer, sha256: str = DIGEST, retries: int = 0, timeout: float = 5.0) -> Remote:
    """The module at the server."""
    return Remote(url=f"http://{server.node}/p.wasm", sha256=sha256, retries=retries, timeout=timeout)


def test_what_was_fetched_is_not_fetched_again(
    fetcher: Fetcher, upstream: UpstreamServer, tmp_path: Path
) -> None:
    """By its digest, over restarts: another fetcher of the same folder finds it."""
    upstream.respond(body=MODULE)
    assert fetcher.fetch(at(upstream)) == MODULE
    assert fetcher.fetch(at(upstream)) == MODULE
    assert Fetcher(tmp_path / "code", 4096).fetch(at(upstream)) == MODULE
    assert len(upstream.requests) == 1


def test_a_damaged_file_is_fetched_again(fetcher: Fetcher, upstream: UpstreamServer, tmp_path: Path) -> None:
    """Its digest tells."""
    upstream.respond(body=MODULE)
    fetcher.fetch(at(upstream))
    (tmp_path / f"code/{DIGEST}.wasm").write_bytes(b"damaged")
    assert fetcher.fetch(at(upstream)) == MODULE
    assert len(upstream.requests) == 2


def test_another_digest_is_refused_with_both(fetcher: Fetcher, upstream: UpstreamServer) -> None:
    """The operator compares them."""
    upstream.respond(body=b"another")
    with pytest.raises(
        CodeError, match=f"sha256 is {hashlib.sha256(b'another').hexdigest()}, not {DIGEST}"
    ) as caught:
        fetcher.fetch(at(upstream))
    assert caught.value.is_final


def test_a_passing_failure_is_tried_again(
    fetcher: Fetcher, upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, then the module."""
    monkeypatch.setattr(http, "_PAUSE", 0.01)
    answers: Iterator[Response] = iter([Response(503), Response(503), Response(200, body=MODULE)])
    upstream.handler = lambda _: next(answers)
    assert fetcher.fetch(at(upstream, retries=2)) == MODULE


def test_a_failure_is_not_tried_again_for_a_while(
    fetcher: Fetcher, upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is reloaded ten times asks once; afterwards it asks anew."""
    upstream.respond(404)
    for _ in range(3):
        with pytest.raises(CodeError, match="status 404"):
            fetcher.fetch(at(upstream))
    assert len(upstream.requests) == 1
    upstream.respond(body=MODULE)
    now = time.monotonic()
    monkeypatch.setattr(remote.time, "monotonic", lambda: now + remote.NEGATIVE_SECONDS + 1)
    assert fetcher.fetch(at(upstream)) == MODULE


def test_a_module_beyond_the_limit_is_not_read_to_its_end(fetcher: Fetcher, upstream: UpstreamServer) -> None:
    """Whatever its Content-Length says."""
    upstream.respond(body=bytes(5000))
    with pytest.raises(CodeError, match="larger than 4096 bytes"):
        fetcher.fetch(at(upstream, sha256=""))


def test_a_server_that_does_not_answer_costs_the_timeout(fetcher: Fetcher) -> None:
    """And no more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(CodeError, match="timed out"):
            fetcher.fetch(Remote(url=f"http://127.0.0.1:{port}/p.wasm", timeout=0.2, retries=0))
        assert time.monotonic() - began < 5


def test_a_server_that_drips_costs_the_timeout_too(
    fetcher: Fetcher, upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read is quick, the whole is not."""
    monkeypatch.setattr(http, "_CHUNK", 1)

    def slow(request: Request) -> Response:
        return Response(200, body=bytes(4000))

    upstream.handler = slow
    monkeypatch.setattr(http.time, "monotonic", iter(range(10_000)).__next__)
    with pytest.raises(CodeError, match="did not arrive in time"):
        fetcher.fetch(at(upstream, sha256=""))


def test_nobody_listening_says_so(fetcher: Fetcher) -> None:
    """With the URL."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(CodeError, match=rf"http://127\.0\.0\.1:{port}/p\.wasm: .*[Rr]efused"):
        fetcher.fetch(Remote(url=f"http://127.0.0.1:{port}/p.wasm", retries=0))


def test_redirects_are_followed(fetcher: Fetcher, upstream: UpstreamServer) -> None:
    """Release pages answer with one; a ring of them ends."""

    def handle(request: Request) -> Response:
        if request.target == "/p.wasm":
            return Response(302, [("Location", "/there")])
        if request.target == "/there":
            return Response(200, body=MODULE)
        return Response(302, [("Location", request.target)])

    upstream.handler = handle
    assert fetcher.fetch(at(upstream)) == MODULE
    with pytest.raises(CodeError, match="redirect"):
        fetcher.fetch(Remote(url=f"http://{upstream.node}/ring", retries=0))


def test_a_folder_that_cannot_be_written_costs_a_fetch(upstream: UpstreamServer, tmp_path: Path) -> None:
    """And nothing else."""
    (tmp_path / "file").write_text("no folder")
    fetcher = Fetcher(tmp_path / "file" / "code", 4096)
    upstream.respond(body=MODULE)
    assert [fetcher.fetch(at(upstream)) for _ in range(2)] == [MODULE, MODULE]
    assert len(upstream.requests) == 2
