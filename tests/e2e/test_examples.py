"""The examples of examples/, as a reader runs them: their own files, a real gateway, real requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.testing import ProxyServer, UpstreamServer

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"of this example, and of 32 bytes"

Start = Callable[..., ProxyServer]


def example(name: str, upstream: UpstreamServer) -> str:
    """The example's text, with the test's upstream in it and with absolute paths."""
    text = (ROOT / f"examples/{name}/sluiceway.yaml").read_text()
    assert "127.0.0.1:1980" in text
    return text.replace("127.0.0.1:1980", upstream.node).replace("../../", f"{ROOT}/")


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(claims: dict[str, object], secret: bytes = SECRET, algorithm: str = "HS256") -> str:
    """A JSON Web Token (RFC 7519), signed with HMAC-SHA-256."""
    header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    text = f"{_encode(header)}.{_encode(json.dumps(claims).encode())}"
    return f"{text}.{_encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


CLAIMS = {"sub": "ann", "iss": "https://issuer.example", "aud": "orders"}


def test_a_token_opens_the_door(proxy_server: Start, upstream: UpstreamServer) -> None:
    """And tells the upstream who comes, whatever the client says of that; the token itself stays here."""
    proxy = proxy_server(example("jwt", upstream))
    good = token({**CLAIMS, "exp": time.time() + 60})
    answer = proxy.request("GET", "/", {"Authorization": f"Bearer {good}", "X-User": "root"})
    assert answer.status == 200
    (request,) = upstream.requests
    assert [value for name, value in request.headers if name.lower() == "x-user"] == ["ann"]
    assert request.header("authorization") is None


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, "Bearer"),
        ("Basic YTpi", "Bearer"),
        ("Bearer", 'Bearer error="invalid_token"'),
        ("Bearer a.b.c", 'Bearer error="invalid_token"'),
        (f"Bearer {token({**CLAIMS, 'exp': 1})}", 'Bearer error="invalid_token"'),
        (f"Bearer {token(CLAIMS)}", 'Bearer error="invalid_token"'),
        (f"Bearer {token({**CLAIMS, 'exp': 4e9}, b'another' * 5)}", 'Bearer error="invalid_token"'),
        (f"Bearer {token({**CLAIMS, 'exp': 4e9}, algorithm='none')}", 'Bearer error="invalid_token"'),
        (f"Bearer {token({**CLAIMS, 'exp': 4e9, 'iss': 'https://other'})}", 'Bearer error="invalid_token"'),
        (f"Bearer {token({**CLAIMS, 'exp': 4e9, 'aud': 'billing'})}", 'Bearer error="invalid_token"'),
    ],
    ids=[
        "none",
        "basic",
        "empty",
        "garbage",
        "expired",
        "no-expiry",
        "other-key",
        "alg-none",
        "issuer",
        "audience",
    ],
)
def test_without_a_good_token_nobody_passes(
    plugin_host: Callable[..., object], authorization: str | None, challenge: str
) -> None:
    """401 with a challenge (RFC 6750, section 3)."""
    conf = {
        "keys": [{"algorithm": "HS256", "secret": SECRET.decode()}],
        "issuer": "https://issuer.example",
        "audience": "orders",
    }
    plugin = plugin_host(ROOT / "testdata/plugins/jwt_auth/plugin.wasm", conf, callback_deadline=1000)
    stream = plugin.http_stream()  # type: ignore[attr-defined]
    fields = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a"), (b":scheme", b"http")]
    if authorization is not None:
        fields.append((b"authorization", authorization.encode()))
    stream.request_headers(fields, end_of_stream=True)
    assert stream.local_response.status == 401
    assert dict(stream.local_response.headers)[b"www-authenticate"] == challenge.encode()


def test_a_limit_holds_over_workers(proxy_server: Start, upstream: UpstreamServer) -> None:
    """Each connection may meet another worker; a key has its three requests, another key its own."""
    proxy = proxy_server(example("rate-limit", upstream), workers=2)
    answers = [proxy.request("GET", "/", {"X-API-Key": "ann"}) for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 3 + [429] * 9
    assert [answer.header("x-ratelimit-remaining") for answer in answers[:4]] == ["2", "1", "0", "0"]
    assert answers[3].body == b"slow down\n"
    assert 0 < int(answers[3].header("retry-after") or 0) <= 60
    assert proxy.request("GET", "/", {"X-API-Key": "bob"}).status == 200
    assert len(upstream.requests) == 4


def test_json_is_rewritten_both_ways(proxy_server: Start, upstream: UpstreamServer) -> None:
    """Lengths are right, what is no JSON is left alone."""
    proxy = proxy_server(example("json-body", upstream))
    upstream.respond(
        headers=[("Content-Type", "application/json; charset=utf-8")],
        body=b'{"users":[{"name":"ann","password":"x"},{"password":"y"}],"mail":"a@b"}',
    )
    answer = proxy.request("POST", "/", {"Content-Type": "application/json"}, b'{"id":1}')
    assert json.loads(answer.body) == {"users": [{"name": "ann"}, {}], "email": "a@b"}
    assert answer.header("content-length") == str(len(answer.body))
    assert json.loads(upstream.requests[0].body) == {"id": 1, "meta": {"via": "sluiceway"}}
    upstream.respond(headers=[("Content-Type", "text/plain")], body=b'{"mail": 1}')
    answer = proxy.request("POST", "/", {"Content-Type": "text/plain"}, b'{"id":1}')
    assert answer.body == b'{"mail": 1}'
    assert upstream.requests[1].body == b'{"id":1}'


@pytest.mark.parametrize("body", [b"", b"{", b'{"id":1}}', b"\xff"])
def test_what_claims_to_be_json_and_is_not_is_refused(
    proxy_server: Start, upstream: UpstreamServer, body: bytes
) -> None:
    """On its way in: 400. An empty body is none."""
    proxy = proxy_server(example("json-body", upstream))
    answer = proxy.request("POST", "/", {"Content-Type": "application/json"}, body)
    assert answer.status == (400 if body else 200)
