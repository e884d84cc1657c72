"""Routes change while the gateway serves: on its own port or another, in all workers at once, and nobody notices."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from host.proxy import Proxy
from tests.e2e import embedded
from tests.e2e.embedded import load
from tests.e2e.gateway import run
from tests.e2e.process import GatewayProcess, get, origin, plugin, running
from tests.e2e.test_reload import SLOW

KEY = "a-key-for-tests"
Address = tuple[str, int]


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ask(
    address: Address, method: str, path: str, value: Any = None, *, key: str | None = KEY, fields: Any = None
) -> tuple[int, Any]:
    """One request of the Admin API: status and decoded body."""
    connection = HTTPConnection(*address, timeout=20.0)
    try:
        body = json.dumps(value).encode() if value is not None else None
        headers = {"Connection": "close", **({"X-API-KEY": key} if key is not None else {}), **(fields or {})}
        connection.request(method, f"/apisix/admin{path}", body, headers)
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@contextmanager
def gateway(
    folder: Path, *, workers: int = 1, shares: bool = True, more: str = "", admin: str = ""
) -> Iterator[tuple[GatewayProcess, Address, Address]]:
    """A gateway with no routes; gives it, its address, and that of the API."""
    port, own = free_port(), free_port()
    path = folder / "config.yaml"
    path.write_text(
        f"workers: {workers}\napisix: {{node_listen: [{{ip: 127.0.0.1, port: {port}}}]}}\n"
        f"deployment: {{admin: {{admin_key: [{{name: a, key: {KEY}}}], "
        f"admin_listen: {{port: {port if shares else own}}}{admin}}}}}\n"
        "wasm:\n  plugins:\n"
        f"    - {{name: hdr, priority: 2, file: {plugin('custom_response_header')}}}\n"
        f"    - {{name: life, priority: 1, file: {plugin('lifecycle')}}}\n{more}"
    )
    with running(path) as process:
        address = process.serving()
        process.wait_for("Admin API: on ")
        yield process, address, address if shares else ("127.0.0.1", own)


def route(port: int, uri: str = "/*", header: str | None = None) -> dict[str, Any]:
    """A route to an origin, through the plugin that sets X-Go-Wasm."""
    made: dict[str, Any] = {"uri": uri, "upstream": {"type": "roundrobin", "nodes": {f"127.0.0.1:{port}": 1}}}
    if header is not None:
        made["plugins"] = {"hdr": {"conf": {"headers": [{"name": "X-Go-Wasm", "value": header}]}}}
    return made


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("shares", [True, False], ids=["shared", "own"])
def test_a_route_comes_and_goes(tmp_path: Path, workers: int, shares: bool) -> None:
    """From the answer on, whichever worker is asked."""
    with origin() as server, gateway(tmp_path, workers=workers, shares=shares) as (_, address, admin):
        assert get(address)[0] == 404
        status, made = ask(admin, "PUT", "/routes/1", route(server.server_port, header="one"))
        assert (status, made["key"]) == (201, "/apisix/routes/1")
        for _ in range(8):
            status, fields, _ = get(address)
            assert (status, fields["x-go-wasm"]) == (200, "one")
        assert ask(admin, "PUT", "/routes/1", route(server.server_port, header="two"))[0] == 200
        assert {get(address)[1]["x-go-wasm"] for _ in range(8)} == {"two"}
        assert ask(admin, "DELETE", "/routes/1")[0] == 200
        assert {get(address)[0] for _ in range(8)} == {404}


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_while_routes_change(tmp_path: Path, workers: int) -> None:
    """Four clients without a pause on kept connections; each answer is a right one, and none goes back in time."""
    stop = threading.Event()
    counts, wrong = [0] * 4, []

    def client(index: int, address: Address) -> None:
        connection, last = HTTPConnection(*address, timeout=20.0), 0
        while not stop.is_set():
            try:
                connection.request("GET", f"/{counts[index]}")
                answer = connection.getresponse()
                body, version = answer.read(), int(answer.getheader("X-Go-Wasm") or -1)
            except OSError as error:
                wrong.append(repr(error))
                return
            if answer.status != 200 or body != f"/{counts[index]}".encode() or version < last:
                wrong.append(f"{answer.status} {body!r} {version} after {last}")
            last, counts[index] = version, counts[index] + 1
        connection.close()

    with origin() as server, gateway(tmp_path, workers=workers) as (process, address, admin):
        assert ask(admin, "PUT", "/routes/1", route(server.server_port, header="0"))[0] == 201
        clients = [threading.Thread(target=client, args=(index, address)) for index in range(4)]
        for each in clients:
            each.start()
        for version in range(1, 16):
            assert ask(admin, "PUT", "/routes/1", route(server.server_port, header=str(version)))[0] == 200
            assert get(address)[1]["x-go-wasm"] == str(version)
            other = route(server.server_port, f"/other/{version}", header="9999")
            assert ask(admin, "POST", "/routes", other)[0] == 201
        while min(counts) < 100 and not wrong:
            time.sleep(0.01)
        stop.set()
        for each in clients:
            each.join(20)
        assert wrong == []
        assert min(counts) >= 100
        assert ask(admin, "GET", "/routes")[1]["total"] == 16
        assert not process.has(" error ")


def test_a_refused_change_changes_nothing(tmp_path: Path) -> None:
    """Not in the worker that has tried it, and not in the one that has not."""
    with origin() as server, gateway(tmp_path, workers=2) as (process, address, admin):
        ask(admin, "PUT", "/routes/1", route(server.server_port, header="good"))
        bad = route(server.server_port)
        bad["plugins"] = {"hdr": {"conf": "no JSON"}}
        status, answer = ask(admin, "PUT", "/routes/1", bad)
        assert status == 400
        assert answer["error_msg"].startswith(
            "invalid configuration: plugins.hdr: plugin hdr: proxy_on_configure"
        )
        assert {get(address)[1]["x-go-wasm"] for _ in range(8)} == {"good"}
        assert (
            ask(admin, "GET", "/routes/1")[1]["value"]["plugins"]
            == route(1, header="good")["plugins"]
        )  # fmt: skip
        assert ask(admin, "PATCH", "/routes/1", {"desc": "goes on"})[0] == 200
        assert not process.has(r"worker \d ended")


def test_a_change_that_kills_a_worker_is_refused(tmp_path: Path) -> None:
    """One worker has tried it alone; its successor and the others serve what was before."""
    (tmp_path / "fatal.py").write_text(
        "import os\nfrom host import PythonFilter\n\n\nclass Filter(PythonFilter):\n"
        "    def __init__(self, configuration):\n        os._exit(7)\n"
    )
    more = "python: {path: [.], plugins: [{name: fatal, priority: 1, class: 'fatal:Filter'}]}\n"
    with (
        origin() as server,
        gateway(tmp_path, workers=2, shares=False, more=more) as (
            process,
            address,
            admin,
        ),
    ):
        ask(admin, "PUT", "/routes/1", route(server.server_port, header="good"))
        workers = process.workers()
        fatal = {**route(server.server_port, "/fatal"), "plugins": {"fatal": {}}}
        status, answer = ask(admin, "PUT", "/routes/2", fatal)
        assert status == 400
        assert re.search(r"worker \d ended \(status 7\) while it took", answer["error_msg"])
        process.wait_for("is up again")
        assert len(set(workers) & set(process.workers())) == 1
        assert {get(address)[1]["x-go-wasm"] for _ in range(8)} == {"good"}
        assert ask(admin, "GET", "/routes")[1]["total"] == 1


def test_a_worker_that_comes_later_serves_what_was_told(tmp_path: Path) -> None:
    """It begins with the present configuration, not with the file's."""
    with origin() as server, gateway(tmp_path) as (process, address, admin):
        ask(admin, "PUT", "/routes/1", route(server.server_port, header="told"))
        os.kill(process.workers()[0], signal.SIGKILL)
        process.wait_for("worker 0 is up again")
        assert get(address)[1]["x-go-wasm"] == "told"
        assert ask(admin, "GET", "/routes")[1]["total"] == 1


def test_a_hangup_rereads_the_file_and_keeps_what_was_told(tmp_path: Path) -> None:
    """The routes of `apisix.yaml` change, those of the API stay; keys are taken up, too."""
    with origin() as server, gateway(tmp_path, workers=2) as (process, address, admin):
        ask(admin, "PUT", "/routes/1", route(server.server_port, "/told", header="told"))
        listed = json.dumps({"routes": [{**route(server.server_port, "/file", header="file"), "id": 1}]})
        config = tmp_path / "config.yaml"
        (tmp_path / "apisix.yaml").write_text(listed.replace('"id": 1', '"id": 2') + "\n#END\n")
        config.write_text(config.read_text().replace(KEY, "another-key"))
        process.signal(signal.SIGHUP)
        process.wait_for(r"worker=[01]: reloaded", 2)
        assert [get(address, path)[1]["x-go-wasm"] for path in ("/told", "/file")] == ["told", "file"]
        assert ask(admin, "GET", "/routes")[0] == 401
        assert ask(admin, "GET", "/routes", key="another-key")[1]["total"] == 2
        assert ask(admin, "DELETE", "/routes/2", key="another-key")[0] == 200
        assert get(address, "/file")[0] == 404
        (tmp_path / "apisix.yaml").write_text(listed + "\n")
        process.signal(signal.SIGHUP)
        process.wait_for("not reloaded")
        assert get(address, "/told")[1]["x-go-wasm"] == "told"


def test_a_store_outlives_a_restart(tmp_path: Path) -> None:
    """A route that was told is served from the start on."""
    with origin() as server:
        with gateway(tmp_path, admin=", store: told.json") as (process, _, admin):
            ask(admin, "PUT", "/routes/1", route(server.server_port, header="kept"))
            process.signal(signal.SIGTERM)
            assert process.stopped() == 0
        with gateway(tmp_path, admin=", store: told.json") as (_, address, _):
            assert get(address)[1]["x-go-wasm"] == "kept"


def test_only_admitted_addresses_are_answered(tmp_path: Path) -> None:
    """403 for the others, with the right key or not; other paths are not concerned."""
    with origin() as server, gateway(tmp_path, admin=", allow_admin: [10.0.0.0/8]") as (_, address, admin):
        for key in (KEY, None):
            assert ask(admin, "PUT", "/routes/1", route(server.server_port), key=key) == (
                403,
                {"error_msg": "403 Forbidden"},
            )
        assert get(address)[0] == 404


def test_no_key_is_written_to_a_log(tmp_path: Path) -> None:
    """Neither the access log nor the gateway's own has it, wherever it came."""
    more = (
        "nginx_config: {http: {access_log: access.log, access_log_format: "
        "'$request|$request_uri|$args|$arg_api_key|$http_x_api_key', access_log_buffer: 1}}\n"
    )
    with gateway(tmp_path, more=more) as (process, _, admin):
        assert ask(admin, "GET", f"/routes?api_key={KEY}", key=None)[0] == 200
        assert ask(admin, "GET", "/routes")[0] == 200
        assert ask(admin, "PUT", f"/routes/1?api_key={KEY}x", route(1))[0] == 401
        assert ask(admin, "GET", "/routes", key=KEY + "y")[0] == 401
        process.signal(signal.SIGTERM)
        assert process.stopped() == 0
        written = (tmp_path / "access.log").read_text()
        assert written.splitlines()[0] == "GET /apisix/admin/routes HTTP/1.1|/apisix/admin/routes|-|-|-"
        assert len(written.splitlines()) == 4
        assert KEY not in written
        assert not process.has(KEY)


def test_global_rules_and_their_plugins_do_not_see_it(tmp_path: Path) -> None:
    """A plugin that answers everything locks nobody out, and reads no key."""
    with origin() as server, gateway(tmp_path) as (process, address, admin):
        assert ask(admin, "PUT", "/global_rules/1", {"plugins": {"life": {"conf": "x"}}})[0] == 201
        ask(admin, "PUT", "/routes/1", route(server.server_port))
        before = len(process.log)
        assert ask(admin, "GET", "/routes")[0] == 200
        assert get(address, "/through")[0] == 200
        process.wait_for(r"proxy_on_delete", behind=before)
        assert len([line for line in process.log[before:] if "proxy_on_context_create" in line]) == 1


@pytest.mark.parametrize("shares", [True, False], ids=["shared", "own"])
def test_bodies_are_bounded(tmp_path: Path, shares: bool) -> None:
    """1.5 MiB pass, a byte more gets 413, in chunks too; a body with 100-continue is asked for."""
    limit = 1536 * 1024

    def send(admin: Address, size: int, chunked: bool) -> tuple[int, bytes]:
        connection = HTTPConnection(*admin, timeout=20.0)
        body = b'{"uri": "/x", "desc": "' + b"x" * (size - 26) + b'"}' + b" "
        assert len(body) == size
        headers = {"X-API-KEY": KEY}
        if chunked:
            parts = iter([body[: size // 2], body[size // 2 :]])
            connection.request("PUT", "/apisix/admin/routes/1", parts, headers, encode_chunked=True)
        else:
            connection.request("PUT", "/apisix/admin/routes/1", body, {**headers, "Expect": "100-continue"})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    with gateway(tmp_path, shares=shares) as (_, _, admin):
        for chunked in (False, True):
            status, body = send(admin, limit, chunked)
            assert (status, b"at most 256 characters" in body) == (400, True), body
            assert send(admin, limit + 1, chunked)[0] == 413


def test_a_client_that_leaves_harms_nobody(tmp_path: Path) -> None:
    """Half a body, and a request whose answer nobody reads; the connections after it are served."""
    (tmp_path / "slow.wasm").write_bytes(wat2wasm(SLOW.replace("LOOPS", "200000000")))
    more = f"    - {{name: slow, priority: 1, file: {tmp_path}/slow.wasm}}\n"
    with origin() as server, gateway(tmp_path, more=more) as (process, address, admin):
        head = f"PUT /apisix/admin/routes/9 HTTP/1.1\r\nHost: a\r\nX-API-KEY: {KEY}\r\n"
        for end in ("Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"):
            with socket.create_connection(admin) as client:
                client.sendall((head + end).encode())
        body = json.dumps({**route(server.server_port, "/slow"), "plugins": {"slow": {"conf": "x"}}})
        with socket.create_connection(admin) as client:
            client.sendall((head + f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        assert ask(admin, "PUT", "/routes/1", route(server.server_port, "/one"))[0] == 201
        assert get(address, "/one")[0] == 200
        assert ask(admin, "GET", "/routes/9")[0] in (200, 404)  # it may have left before it was heard
        assert not process.has("error")


def test_a_signal_ends_a_change_that_lasts(tmp_path: Path) -> None:
    """Who asked is answered that nothing has changed, and the gateway ends."""
    (tmp_path / "endless.wasm").write_bytes(plugin("endless_loop").read_bytes())
    more = f"    - {{name: loop, priority: 1, file: {tmp_path}/endless.wasm, start_timeout: 30s}}\n"
    with gateway(tmp_path, shares=False, more=more) as (process, _, admin):
        answers: list[tuple[int, Any]] = []
        value = {**route(1), "plugins": {"loop": {"conf": '{"phase": "configure"}'}}}
        asking = threading.Thread(target=lambda: answers.append(ask(admin, "PUT", "/routes/1", value)))
        asking.start()
        time.sleep(1.0)  # it now loops, most likely; what is asserted holds at any time
        process.signal(signal.SIGTERM)
        assert process.stopped() == 0
        asking.join(20)
        assert answers == [(503, {"error_msg": "the gateway is stopping"})]


RUNNER = """
import os, socket
end = socket.socket(socket.AF_UNIX)
end.bind(os.environ["APISIX_LISTEN_ADDRESS"].removeprefix("unix:"))
end.listen()
print("runner", os.getpid(), flush=True)
while True:
    end.accept()
"""


def test_processes_of_plugins_are_left_alone(tmp_path: Path) -> None:
    """A hangup starts a runner anew, a change of routes does not."""
    (tmp_path / "runner.py").write_text(RUNNER)
    more = f"ext-plugin: {{cmd: [{sys.executable}, {tmp_path}/runner.py]}}\n"
    with origin() as server, gateway(tmp_path, workers=2, more=more) as (process, address, admin):
        process.wait_for(r"runner \d+$")
        for version in ("one", "two", "three"):
            assert ask(admin, "PUT", "/routes/1", route(server.server_port, header=version))[0] in (200, 201)
        assert get(address)[1]["x-go-wasm"] == "three"
        (tmp_path / "apisix.yaml").write_text("routes: []\n#END\n")
        process.signal(signal.SIGHUP)
        process.wait_for(r"worker=[01]: reloaded", 2)
        process.wait_for(r"runner \d+$", 2)
        assert len([line for line in process.log if re.search(r"runner \d+$", line)]) == 2
        assert get(address)[1]["x-go-wasm"] == "three"
        assert ask(admin, "PUT", "/routes/1", route(server.server_port, header="four"))[0] == 200
        assert get(address)[1]["x-go-wasm"] == "four"


def test_a_broken_route_of_the_file_blocks_no_other(tmp_path: Path) -> None:
    """It answers 503 from the start on; changes are judged by what they change, and can mend it."""
    with origin() as server:
        broken = {"id": "bad", "uri": "/bad", "plugins": {"hdr": {"conf": "no JSON"}}}
        (tmp_path / "apisix.yaml").write_text(json.dumps({"routes": [broken]}) + "\n#END\n")
        with gateway(tmp_path) as (_, address, admin):
            assert get(address, "/bad")[0] == 503
            assert ask(admin, "PUT", "/routes/1", route(server.server_port, "/good"))[0] == 201
            assert [get(address, path)[0] for path in ("/good", "/bad")] == [200, 503]
            assert ask(admin, "PUT", "/routes/bad", broken)[0] == 400
            assert ask(admin, "PUT", "/routes/bad", route(server.server_port, "/bad"))[0] == 200
            assert get(address, "/bad")[0] == 200


def test_a_key_is_made_up_and_the_port_is_loopback(tmp_path: Path) -> None:
    """What `enable_admin: true` alone gives: 127.0.0.1:9180 is served with a key that the log tells once."""
    try:
        socket.create_server(("127.0.0.1", 9180)).close()
    except OSError:
        pytest.skip("port 9180 is another program's just now")
    path = tmp_path / "config.yaml"
    path.write_text("apisix: {enable_admin: true}\nworkers: 1\n")
    with running(path, "--listen", "127.0.0.1:0") as process:
        process.wait_for("Admin API: on http://127.0.0.1:9180$")
        (line,) = process.wait_for("until the next start it is")
        key = line.partition("until the next start it is ")[2].split()[0]
        assert ask(("127.0.0.1", 9180), "GET", "/routes", key=key)[0] == 200
        assert ask(("127.0.0.1", 9180), "GET", "/routes", key="x")[0] == 401


def test_an_embedded_proxy_says_that_it_does_not_serve_it(caplog: pytest.LogCaptureFixture) -> None:
    """Its path is as unknown as any other."""

    async def test() -> None:
        async with Proxy(load("apisix: {port_admin: 9080}\nroutes: []\n")) as proxy:
            assert (await embedded.ask(proxy, "/apisix/admin/routes")).status == 404

    run(test())
    assert "the Admin API is not served" in caplog.text
