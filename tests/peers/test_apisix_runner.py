"""Real runners of APISIX's behind a real gateway: the official one, one on its SDK, and one in Python."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from host.testing.server import GatewayProcess
from tests.e2e.process import running
from tests.external.peers import is_alive
from tests.peers import runners
from tests.peers.making import Missing
from tests.peers.process import free_port

Address = tuple[str, int]

pytestmark = [pytest.mark.builds_peers, pytest.mark.timeout(600)]  # the first builds runners


def _made(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Missing as missing:
        if os.environ.get("SLUICEWAY_PEERS") == "require":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def go_runner() -> str:
    return str(_made(runners.go_runner))


@pytest.fixture(scope="session")
def own_runner() -> str:
    return str(_made(runners.own_runner))


@pytest.fixture(scope="session")
def python_runner() -> list[str]:
    command: list[str] = _made(runners.python_runner)
    return command


class _Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        self.server.count += 1  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        seen = {
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": self.rfile.read(length).decode(),
        }
        body = b"hello hello world world" if self.path == "/words" else json.dumps(seen).encode()
        status = 304 if self.path == "/not-modified" else 200
        self.send_response(status)
        self.send_header("Content-Type", "text/x-origin")
        if status == 200:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status == 200 and self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = _serve

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent."""


@pytest.fixture
def origin() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Origin)
    server.count = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def conf(*plugins: tuple[str, Any]) -> dict[str, Any]:
    """Uses of a runner's plugins; a value that is no text is serialized."""
    return {
        "conf": [
            {"name": name, "value": value if isinstance(value, str) else json.dumps(value)}
            for name, value in plugins
        ]
    }


class Site:
    """A configuration that can be written anew: routes by path, each with plugins."""

    def __init__(self, folder: Path, port: int, ext_plugin: dict[str, Any], **settings: Any) -> None:
        self.file = folder / "site.yaml"
        self._upstream = {"nodes": {f"127.0.0.1:{port}": 1}}
        self._settings = {
            "workers": 1,
            "apisix": {"node_listen": [{"ip": "127.0.0.1", "port": free_port()}]},
            "ext-plugin": ext_plugin,
            **settings,
        }

    def write(self, routes: dict[str, dict[str, Any]]) -> Path:
        """Write the routes."""
        entries = [
            {"id": path.strip("/") or "all", "uri": path, "upstream": self._upstream, "plugins": plugins}
            for path, plugins in routes.items()
        ]
        self.file.write_text(json.dumps({**self._settings, "routes": entries}))
        return self.file


@contextmanager
def serving(
    site: Site, routes: dict[str, dict[str, Any]], **environment: str
) -> Iterator[tuple[GatewayProcess, Address]]:
    with running(site.write(routes), environment=environment) as gateway:
        yield gateway, gateway.serving()


def ask(
    address: Address, path: str, method: str = "GET", body: bytes | None = None, **fields: str
) -> tuple[int, dict[str, str], bytes]:
    """One request: status, fields by lower-case name, body."""
    connection = HTTPConnection(*address, timeout=30)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in fields.items()}
        )
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


SAY = {"ext-plugin-pre-req": conf(("say", {"body": "hello"}))}


def test_a_runner_that_was_started_by_hand_answers(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """As the article has it for development: `path_for_test`, and the upstream is not asked."""
    socket = tmp_path / "runner.sock"
    with (
        runners.unmanaged([go_runner, "run"], socket),
        serving(Site(tmp_path, origin.server_port, {"path_for_test": str(socket)}), {"/get": SAY}) as (
            _,
            address,
        ),
    ):
        status, fields, body = ask(address, "/get")
        assert (status, body) == (200, b"hello")
        assert fields["content-type"] == "text/plain; charset=utf-8"
        assert fields["x-resp-a6-runner"] == "Go"
        assert origin.count == 0


def test_the_article_s_route_comes_from_the_admin_api(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """`curl …/apisix/admin/routes/1 -H 'X-API-KEY: …' -X PUT -d '…'`, on the gateway's own port, as printed."""
    port, socket, key = free_port(), tmp_path / "runner.sock", "edd1c9f034335f136f87ad84b625c8f1"
    (tmp_path / "config.yaml").write_text(f"""\
apisix: {{node_listen: [{{ip: 127.0.0.1, port: {port}}}]}}
deployment:
  admin: {{admin_key: [{{name: admin, key: {key}, role: admin}}], admin_listen: {{port: {port}}}}}
ext-plugin:
  path_for_test: {socket}
""")
    route = """
{
  "uri": "/get",
  "plugins": {
    "ext-plugin-pre-req": {
      "conf": [
        {"name":"say", "value":"{\\"body\\":\\"hello\\"}"}
      ]
    }
  },
  "upstream": {
        "type": "roundrobin",
        "nodes": {
            "127.0.0.1:1980": 1
        }
    }
}
""".replace("1980", str(origin.server_port))
    with runners.unmanaged([go_runner, "run"], socket), running(tmp_path / "config.yaml") as gateway:
        address = gateway.serving()
        status, _, _ = ask(address, "/apisix/admin/routes/1", "PUT", route.encode(), X_API_KEY=key)
        assert status in (200, 201)
        status, fields, body = ask(address, "/get")
        assert (status, body, fields["x-resp-a6-runner"]) == (200, b"hello", "Go")
        wrong = route.replace('"value":"{', '"value": 1, "x":"{')
        status, _, body = ask(address, "/apisix/admin/routes/1", "PUT", wrong.encode(), X_API_KEY=key)
        assert (status, b"value" in body) == (400, True)
        assert ask(address, "/get")[2] == b"hello"
        changed = route.replace("hello", "changed")
        assert ask(address, "/apisix/admin/routes/1", "PUT", changed.encode(), X_API_KEY=key)[0] in (200, 201)
        assert ask(address, "/get")[2] == b"changed"
        assert origin.count == 0


def runner_of(gateway: GatewayProcess) -> int:
    """The process id of the runner that the gateway keeps."""
    line = gateway.wait_for(r"process=runner pid=\d+: is up")[-1]
    return int(line.partition("pid=")[2].partition(":")[0])


def test_a_runner_is_kept_and_sees_the_variables_that_are_named(
    go_runner: str, tmp_path: Path, origin: Any
) -> None:
    """And no others: the gateway's own may be secrets."""
    site = Site(
        tmp_path,
        origin.server_port,
        {"cmd": [go_runner, "run"], "conf_expire_time": 60},
        nginx_config={"envs": ["MY_ENV_VAR", "MODE=dev"]},
    )
    with serving(site, {"/get": SAY}, MY_ENV_VAR="seen", MY_SECRET="unseen") as (gateway, address):
        assert ask(address, "/get")[2] == b"hello"
        runner = runner_of(gateway)
        environment = dict(
            each.split("=", 1) for each in Path(f"/proc/{runner}/environ").read_text().split("\0") if each
        )
        assert environment["APISIX_LISTEN_ADDRESS"].startswith("unix:/")
        assert environment["APISIX_CONF_EXPIRE_TIME"] == "60"
        assert (environment["MY_ENV_VAR"], environment["MODE"]) == ("seen", "dev")
        assert "MY_SECRET" not in environment
        folder = Path(environment["APISIX_LISTEN_ADDRESS"].removeprefix("unix:")).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert gateway.has(r"process=runner pid=\d+: .*listening to")
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 0
        assert not is_alive(runner)
        assert not folder.exists()


def test_the_official_plugins_work(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """fault-injection, limit-req and response-rewrite, before and behind."""
    words = {
        "headers": {"X-Server-Id": "9527"},
        "filters": [
            {"regex": "world", "scope": "global", "replace": "golang"},
            {"regex": "hello", "scope": "once", "replace": "nice"},
        ],
    }
    routes = {
        "/fault": {"ext-plugin-post-req": conf(("fault-injection", {"http_status": 400, "body": "hello"}))},
        "/words": {"ext-plugin-post-resp": conf(("response-rewrite", words))},
        "/limited": {"ext-plugin-pre-req": conf(("limit-req", {"rate": 1000, "burst": 1}))},
        "/closed": {"ext-plugin-pre-req": conf(("limit-req", {"rate": 1000, "burst": 0}))},
        "/both": {**SAY, "ext-plugin-post-resp": conf(("response-rewrite", words))},
        "/unknown": {"ext-plugin-pre-req": conf(("nobody", ""))},
        "/nothing": {"ext-plugin-pre-req": {}},
        "/not-modified": {"ext-plugin-post-resp": conf(("response-rewrite", words))},
    }
    with serving(Site(tmp_path, origin.server_port, {"cmd": [go_runner, "run"]}), routes) as (_, address):
        assert ask(address, "/fault")[::2] == (400, b"hello")
        status, fields, body = ask(address, "/words")
        assert (status, body, fields["x-server-id"]) == (200, b"nice hello golang golang", "9527")
        assert fields["content-type"] == "text/x-origin"
        assert ask(address, "/words", "HEAD")[1]["x-server-id"] == "9527"
        assert ask(address, "/not-modified")[::2] == (304, b"")
        assert [ask(address, "/limited")[0] for _ in range(3)] == [200] * 3
        assert ask(address, "/closed")[0] == 503
        status, fields, body = ask(address, "/both")
        assert (body, "x-server-id" in fields) == (b"hello", False)
        assert ask(address, "/unknown")[0] == 200
        assert ask(address, "/nothing")[0] == 200


def test_requests_are_rewritten(own_runner: str, tmp_path: Path, origin: Any) -> None:
    """Path, fields, arguments, host, and fields of the response; what is but read stays as it is."""
    changes = {
        "path": "/new place",
        "set": {"X-User": "17", "Host": "other.test"},
        "delete": ["Cookie"],
        "args": {"x": "a&b", "new": "1"},
        "noArgs": ["y"],
        "response": {"X-By": "runner"},
    }
    routes = {
        "/change": {"ext-plugin-pre-req": conf(("rewrite", changes))},
        "/read": {"ext-plugin-post-req": conf(("read", ""))},
        "/status": {"ext-plugin-post-resp": conf(("change", {"Status": 418}))},
    }
    site = Site(tmp_path, origin.server_port, {"cmd": [own_runner]})
    with serving(site, routes) as (_, address):
        status, fields, body = ask(
            address, "/change?x=1&y=2&z=3&x=4&bare", "POST", b"of the client", Cookie="a=b", X_Other="5"
        )
        seen = json.loads(body)
        headers = dict(seen["headers"])
        assert status == 200
        path, _, query = seen["path"].partition("?")
        assert path == "/new%20place"
        assert sorted(query.split("&")) == ["bare", "new=1", "x=a%26b", "z=3"]
        assert (headers["x-user"], headers["host"], headers["x-other"]) == ("17", "other.test", "5")
        assert "cookie" not in headers
        assert (seen["body"], headers["content-length"]) == ("of the client", "13")
        assert fields["x-by"] == "runner"
        seen = json.loads(ask(address, "/read?x=%41&y&x=2", "POST", b"body", Cookie="a=b")[2])
        assert (seen["path"], seen["body"]) == ("/read?x=%41&y&x=2", "body")
        assert dict(seen["headers"])["cookie"] == "a=b"
        status, fields, _ = ask(address, "/status")
        assert (status, fields["x-seen"], fields["content-type"]) == (418, "text/x-origin", "text/x-origin")


def test_a_runner_asks_for_variables_and_the_body(own_runner: str, tmp_path: Path, origin: Any) -> None:
    """Before it answers; also for what there is none of."""
    names = [
        "remote_addr",
        "request_uri",
        "arg_x",
        "http_x_a",
        "cookie_c",
        "route_id",
        "server_port",
        "nobody",
    ]
    routes = {"/ask": {"ext-plugin-pre-req": conf(("ask", names))}}
    site = Site(tmp_path, origin.server_port, {"cmd": [own_runner]})
    with serving(site, routes) as (_, address):
        body = "ä" * 100_000
        answer = ask(address, "/ask?x=%20y", "POST", body.encode(), X_A="b", Cookie="c=d")
        assert json.loads(answer[2]) == {
            "source": "127.0.0.1",
            "method": "POST",
            "path": "/ask",
            "remote_addr": "127.0.0.1",
            "request_uri": "/ask?x=%20y",
            "arg_x": "%20y",
            "http_x_a": "b",
            "cookie_c": "d",
            "route_id": "ask",
            "server_port": str(address[1]),
            "nobody": "",
            "body": body,
        }
        assert json.loads(ask(address, "/ask")[2])["body"] == ""
        assert origin.count == 0


def test_an_edited_value_counts_from_the_next_request(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """A runner answers a key that it knows with the old configuration: so the key changes too."""
    socket = tmp_path / "runner.sock"
    site = Site(tmp_path, origin.server_port, {"path_for_test": str(socket)})
    with runners.unmanaged([go_runner, "run"], socket), serving(site, {"/get": SAY}) as (gateway, address):
        assert ask(address, "/get")[2] == b"hello"
        for count, text in enumerate(("other", "hello", "third"), 1):
            site.write({"/get": {"ext-plugin-pre-req": conf(("say", {"body": text}))}})
            gateway.signal(signal.SIGHUP)
            gateway.wait_for("reloaded", count)
            assert ask(address, "/get")[2] == text.encode()


class Load:
    """Requests on so many connections until it is stopped; counts what comes, by path."""

    def __init__(self, address: Address, expected: dict[str, bytes], connections: int) -> None:
        self.counts: Counter[str] = Counter()
        self._address, self._expected = address, list(expected.items())
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(index,)) for index in range(connections)]
        for thread in self._threads:
            thread.start()

    def _ask(self, index: int) -> None:
        path, expected = self._expected[index % len(self._expected)]
        connection = HTTPConnection(*self._address, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException) as error:
                self.counts[type(error).__name__] += 1
                connection.close()
                continue
            is_right = answer.status != 200 or body == expected
            self.counts[str(answer.status) if is_right else f"{path} got {body!r}"] += 1
        connection.close()

    def wait_for(self, what: str, more: int) -> None:
        """Wait until so many more of it have come."""
        wanted, end = self.counts[what] + more, time.monotonic() + 60
        while self.counts[what] < wanted:
            assert time.monotonic() < end, self.counts
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("degrades", [False, True])
def test_a_runner_that_is_killed_under_load_costs_only_the_gap(
    go_runner: str, tmp_path: Path, origin: Any, degrades: bool
) -> None:
    """503, or the upstream's answer with allow_degradation, until it is up again; then right answers to each route."""
    texts = {"/a": b"A", "/b": b"B", "/c": b"C"}
    routes = {
        path: {
            "ext-plugin-pre-req": {
                **conf(("say", {"body": text.decode()})),
                "allow_degradation": degrades,
            }
        }
        for path, text in texts.items()
    }
    site = Site(tmp_path, origin.server_port, {"cmd": [go_runner, "run"], "start_timeout": 1}, workers=2)
    with serving(site, routes) as (gateway, address):
        load = Load(address, texts, 50)
        try:
            load.wait_for("200", 300)
            first = runner_of(gateway)
            os.kill(first, signal.SIGKILL)
            gateway.wait_for(r"process=runner.*ended \(signal SIGKILL\)")
            gateway.wait_for(r"process=runner pid=\d+: is up", 2)
            load.wait_for("200", 300)
        finally:
            load.stop()
        passed = [kind for kind in load.counts if kind not in ("200", "503")]
        if degrades:
            assert all('"path"' in kind for kind in passed), load.counts  # the origin's answer
            assert load.counts["503"] == 0
        else:
            assert not passed, load.counts
            assert load.counts["503"] > 0
        lines = gateway.wait_for(r"process=runner pid=\d+: is up", 2)
        assert f"pid={first}:" in lines[0]
        assert f"pid={first}:" not in lines[1]
        for path, text in texts.items():
            assert ask(address, path)[::2] == (200, text)


def test_a_reload_under_load_starts_the_runner_anew_and_costs_nothing(
    go_runner: str, tmp_path: Path, origin: Any
) -> None:
    """As APISIX does; the old one serves until the new one is up, and is gone then."""
    texts = {"/a": b"A", "/b": b"B"}
    routes = {
        path: {"ext-plugin-pre-req": conf(("say", {"body": text.decode()}))} for path, text in texts.items()
    }
    site = Site(tmp_path, origin.server_port, {"cmd": [go_runner, "run"]})
    with serving(site, routes) as (gateway, address):
        load = Load(address, texts, 10)
        try:
            load.wait_for("200", 100)
            first = runner_of(gateway)
            gateway.signal(signal.SIGHUP)
            gateway.wait_for("reloaded")
            load.wait_for("200", 100)
        finally:
            load.stop()
        assert set(load.counts) == {"200"}
        gateway.wait_for(r"process=runner pid=\d+: is up", 2)
        end = time.monotonic() + 10
        while is_alive(first):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_no_route_gets_another_s_plugins_after_a_restart(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """The runner's tokens start from 1 again: whoever is first now has the number that the other one had."""
    socket = tmp_path / "runner.sock"
    routes = {
        path: {"ext-plugin-pre-req": conf(("say", {"body": text}))}
        for path, text in (("/a", "A"), ("/b", "B"))
    }
    site = Site(tmp_path, origin.server_port, {"path_for_test": str(socket)})
    with serving(site, routes) as (_, address):
        for first, second in (("a", "b"), ("b", "a"), ("a", "b")):
            with runners.unmanaged([go_runner, "run"], socket):
                assert ask(address, f"/{first}")[2] == first.upper().encode()
                assert ask(address, f"/{second}")[2] == second.upper().encode()
            assert ask(address, "/a")[0] == 503


def test_a_runner_that_ignores_sigterm_does_not_outlive_the_gateway(tmp_path: Path, origin: Any) -> None:
    """SIGTERM, a second, SIGKILL: to all of its processes."""
    stubborn = "trap '' TERM; sleep 600 & echo group $$ $!; wait; sleep 600"
    site = Site(tmp_path, origin.server_port, {"cmd": ["sh", "-c", stubborn], "start_timeout": 0.2})
    with serving(site, {"/get": SAY}) as (gateway, _):
        (line,) = gateway.wait_for(r"group \d+ \d+")
        group = [int(each) for each in line.partition("group ")[2].split()]
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 0
        assert time.monotonic() - began < 10  # it is bounded: a hang would be the process's own ten minutes
        assert not any(is_alive(process) for process in group)


def test_a_runner_that_exits_is_told_and_started_again(tmp_path: Path, origin: Any) -> None:
    """Requests meanwhile are answered."""
    site = Site(
        tmp_path,
        origin.server_port,
        {"cmd": ["sh", "-c", "exit 111"], "start_timeout": 0.1, "restart_pause": 0.1},
    )
    with serving(site, {"/get": SAY}) as (gateway, address):
        gateway.wait_for(r"process=runner.*ended \(status 111\)", 2)
        assert ask(address, "/get")[0] == 503


def test_without_a_runner_requests_fail_or_pass(tmp_path: Path, origin: Any) -> None:
    """As `allow_degradation` says, for requests and for responses."""
    degrading = {"allow_degradation": True}
    routes = {
        "/fail": SAY,
        "/pass": {"ext-plugin-pre-req": {**SAY["ext-plugin-pre-req"], **degrading}},
        "/fail-behind": {"ext-plugin-post-resp": conf(("response-rewrite", ""))},
        "/pass-behind": {"ext-plugin-post-resp": {**conf(("response-rewrite", "")), **degrading}},
    }
    site = Site(tmp_path, origin.server_port, {"path_for_test": str(tmp_path / "nobody.sock")})
    with serving(site, routes) as (gateway, address):
        assert [ask(address, path)[0] for path in routes] == [503, 200, 503, 200]
        assert json.loads(ask(address, "/fail")[2])["error_msg"].startswith("503 ")
        gateway.wait_for("Plugin Runner is wrong, allow degradation", 2)


def test_a_runner_in_python_works(python_runner: list[str], tmp_path: Path, origin: Any) -> None:
    """One that answers failures as if they were answers, and cannot do with arguments without a value."""
    routes = {
        "/stop": {"ext-plugin-pre-req": conf(("stop", "hello"))},
        "/rewrite": {"ext-plugin-pre-req": conf(("rewrite", "seen"))},
        "/raise": {"ext-plugin-pre-req": conf(("raise", ""))},
        "/raise-and-pass": {"ext-plugin-pre-req": {**conf(("raise", "")), "allow_degradation": True}},
        "/nothing": {"ext-plugin-pre-req": {}},
    }
    settings = {
        "cmd": python_runner,
        "bare_arg": "empty",
        "keep_duplicate_headers": True,
        "start_timeout": 10,
    }
    site = Site(tmp_path, origin.server_port, settings)
    with serving(site, routes) as (gateway, address):
        for _ in range(3):
            assert ask(address, "/stop?a&b=c")[::2] == (200, b"hello a= b=c")
            status, _, body = ask(address, "/rewrite?a&b", "POST", b"body", Cookie="a=b")
            seen = json.loads(body)
            headers = dict(seen["headers"])
            assert (status, seen["path"], seen["body"]) == (200, "/rewrite?a&b", "body")
            assert (headers["x-python"], headers["cookie"], headers["content-length"]) == ("seen", "a=b", "4")
            assert ask(address, "/raise")[0] == 503
            assert ask(address, "/raise-and-pass")[0] == 200
            assert ask(address, "/nothing")[0] == 503
        gateway.wait_for("the runner answers with SERVICE_UNAVAILABLE")
