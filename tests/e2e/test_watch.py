"""Files change on disk while the gateway serves: it takes them up by itself, and when `/tyk/reload` is asked."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import ROOT, GatewayProcess, get, origin, plugin, running
from tests.e2e.test_admin_api import free_port
from tests.e2e.test_tyk import definition

SECRET = "a-secret-for-tests"
Address = tuple[str, int]


def routes(port: int, uri: str, *, ends: bool = True) -> str:
    """The text of an apisix.yaml with one route."""
    return f"routes: [{{uri: {uri}, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}}]\n" + "#END\n" * ends


def replace(path: Path, text: str) -> None:
    """Put another file in its place, as editors do."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


@contextmanager
def asking(address: Address) -> Iterator[list[int]]:
    """Ask for /kept on one connection without a pause; at the end every answer was 200."""
    stop, statuses = threading.Event(), []

    def run() -> None:
        connection = HTTPConnection(*address, timeout=20.0)
        while not stop.is_set():
            connection.request("GET", "/kept")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join(20)
    assert statuses
    assert set(statuses) == {200}


def reloaded(gateway: GatewayProcess, file: str, behind: int) -> None:
    """Wait until the change of a file has been taken up by all of two workers."""
    gateway.wait_for(f"{file} has changed: reloading", behind=behind)
    gateway.wait_for(r"worker=[01]: reloaded", 2, behind=behind)


def test_an_apisix_yaml_is_taken_up_by_itself(tmp_path: Path) -> None:
    """Without being asked for, in all workers; half a file is told once and not taken; no request notices."""
    config, file = tmp_path / "config.yaml", tmp_path / "apisix.yaml"
    config.write_text("workers: 2\n")
    with origin() as server:
        kept = routes(server.server_port, "/kept", ends=False)
        file.write_text(kept + "#END\n")
        with running(config, "--listen", "127.0.0.1:0") as gateway:
            address = gateway.serving()
            with asking(address):
                assert get(address, "/new")[0] == 404
                both = kept.replace("]\n", f", {routes(server.server_port, '/new', ends=False)[9:]}")
                file.write_text(both)
                gateway.wait_for("apisix.yaml:1: lacks its last line, #END")
                gateway.wait_for("not reloaded: the configuration has 1 problems")
                assert get(address, "/new")[0] == 404
                behind = len(gateway.log)
                replace(file, both + "#END\n")
                reloaded(gateway, "apisix.yaml", behind)
                assert {get(address, "/new")[0] for _ in range(8)} == {200}
            assert sum("lacks its last line" in line for line in gateway.log) == 1
            behind = len(gateway.log)
            file.unlink()
            file.write_text(kept.replace("/kept", "/back") + "#END\n")
            reloaded(gateway, "apisix.yaml", behind)
            assert [get(address, path)[0] for path in ("/back", "/kept")] == [200, 404]


def test_a_config_map_is_taken_up(tmp_path: Path) -> None:
    """Kubernetes swaps the link that the folder of its files is behind."""
    with origin() as server:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "apisix.yaml").write_text(routes(server.server_port, f"/{name}"))
            os.utime(tmp_path / name / "apisix.yaml", ns=(5, 5))
        (tmp_path / "..data").symlink_to("one")
        (tmp_path / "apisix.yaml").symlink_to("..data/apisix.yaml")
        (tmp_path / "config.yaml").write_text("workers: 2\n")
        with running(tmp_path / "config.yaml", "--listen", "127.0.0.1:0") as gateway:
            address = gateway.serving()
            (tmp_path / "..new").symlink_to("two")
            os.replace(tmp_path / "..new", tmp_path / "..data")
            reloaded(gateway, "apisix.yaml", 0)
            assert [get(address, path)[0] for path in ("/two", "/one")] == [200, 404]


def test_all_files_are_watched_where_it_is_asked_for(tmp_path: Path) -> None:
    """The configuration, Kong's file, Tyk's definitions, a module; a refusal is told, and the old one stays."""
    config, kong, apis = tmp_path / "config.yaml", tmp_path / "kong.yml", tmp_path / "apis"
    module = tmp_path / "p.wasm"
    shutil.copy(plugin("custom_response_header"), module)
    apis.mkdir()
    with origin() as server:
        url = f"http://127.0.0.1:{server.server_port}"

        def declared(path: str) -> str:
            return json.dumps(
                {
                    "_format_version": "3.0",
                    "services": [{"name": "s", "url": url, "routes": [{"name": "r", "paths": [path]}]}],
                }
            )

        def api(path: str) -> str:
            own = definition(server.server_port)
            return json.dumps({**own, "proxy": {**own["proxy"], "listen_path": path}})

        kong.write_text(declared("/kong-one"))
        (apis / "api.json").write_text(api("/tyk-one/"))
        header = '{"headers":[{"name":"X-Made","value":"yes"}]}'
        config.write_text(
            "workers: 2\nkong: {declarative_config: kong.yml}\ntyk: {apis: [apis]}\n"
            "wasm: {plugins: [{name: p, priority: 1, file: p.wasm}]}\n"
            + routes(server.server_port, "/kept", ends=False).replace(
                "}}}]", f"}}}}, plugins: {{p: {{conf: '{header}'}}}}}}]"
            )
        )
        with running(config, "--listen", "127.0.0.1:0", "--watch") as gateway:
            address = gateway.serving()
            assert [get(address, path)[0] for path in ("/kong-one", "/tyk-one/")] == [200, 200]
            assert get(address, "/kept")[1]["x-made"] == "yes"
            with asking(address):
                replace(kong, declared("/kong-two"))
                reloaded(gateway, "kong.yml", 0)
                assert get(address, "/kong-two")[0] == 200
                behind = len(gateway.log)
                replace(apis / "api.json", api("/tyk-two/"))
                reloaded(gateway, "apis", behind)
                assert get(address, "/tyk-two/")[0] == 200
                behind = len(gateway.log)
                good = config.read_text()
                replace(config, good.replace("workers", "wrkers"))
                gateway.wait_for("config.yaml:1: wrkers: unknown key", behind=behind)
                gateway.wait_for("not reloaded: the configuration has 1 problems", behind=behind)
                assert get(address, "/kept")[0] == 200
                behind = len(gateway.log)
                replace(config, good.replace("/kept", "/*"))
                reloaded(gateway, "config.yaml", behind)
                assert get(address, "/any")[1]["x-made"] == "yes"
                behind = len(gateway.log)
                new = tmp_path / "new.wasm"
                shutil.copy(plugin("lifecycle"), new)
                os.replace(new, module)
                reloaded(gateway, "p.wasm", behind)
                assert "x-made" not in get(address, "/kept")[1]
            assert sum("wrkers" in line for line in gateway.log) == 1


def test_a_plugin_without_a_configuration_is_watched(tmp_path: Path) -> None:
    """Who builds it anew sees the new one."""
    module, new = tmp_path / "p.wasm", tmp_path / "new.wasm"
    shutil.copy(plugin("lifecycle"), module)
    shutil.copy(plugin("custom_response_header"), new)
    with (
        origin() as server,
        running(
            module, "--upstream", f"http://127.0.0.1:{server.server_port}", "--listen", "127.0.0.1:0", "--watch",
            "--conf", '{"headers":[{"name":"X-Made","value":"yes"}]}',
        ) as gateway,
    ):  # fmt: skip
        address = gateway.serving()
        assert "x-made" not in get(address)[1]
        os.replace(new, module)
        gateway.wait_for("p.wasm has changed: reloading")
        gateway.wait_for("worker=0: reloaded")
        assert get(address)[1]["x-made"] == "yes"


def ask(address: Address, path: str, key: str | None = SECRET) -> tuple[int, Any]:
    """Ask with a key; return status and decoded body."""
    status, fields, body = get(address, path, fields={"x-tyk-authorization": key} if key is not None else {})
    assert fields["content-type"] == "application/json"
    return status, json.loads(body)


def documented() -> str:
    """The target that docs/tyk.md asks for, with the field that `ask` sends."""
    (line,) = re.findall(r"^    (curl .*/tyk/reload.*)$", (ROOT / "docs/tyk.md").read_text(), re.MULTILINE)
    _, option, field, url = shlex.split(line)
    assert (option, field) == ("-H", "x-tyk-authorization: SECRET")
    return url.removeprefix("http://127.0.0.1:9080")


@pytest.mark.parametrize("shares", [True, False], ids=["gateway's port", "admin port"])
def test_tyk_reload(tmp_path: Path, shares: bool) -> None:
    """With the secret alone; with `block=true` the next request meets the new API, or the answer says why not."""
    own = free_port()
    admin = "" if shares else f"deployment: {{admin: {{admin_listen: {{port: {own}}}}}}}\n"
    config, api = tmp_path / "config.yaml", tmp_path / "api.json"
    config.write_text(f"workers: 2\ntyk: {{secret: {SECRET}, apis: [api.json]}}\n{admin}")
    with origin() as server:
        text = json.dumps(definition(server.server_port))
        api.write_text(text)
        with running(config, "--listen", "127.0.0.1:0") as gateway:
            address = gateway.serving()
            if not shares:
                gateway.wait_for("Admin API: on ")
            control = address if shares else ("127.0.0.1", own)
            api.write_text(text.replace("/my_api_name/", "/kept"))
            refusal = "Attempted administrative access with invalid or missing key!"
            for key in (None, "", "wrong"):
                assert ask(control, "/tyk/reload?block=true", key) == (
                    403, {"status": "error", "message": refusal},
                )  # fmt: skip
            assert get(address, "/kept")[0] == 404
            assert ask(control, documented()) == (200, {"status": "ok", "message": ""})
            assert {get(address, "/kept")[0] for _ in range(8)} == {200}
            with asking(address):
                api.write_text(text.replace('"use_keyless": true', '"use_keyless": false'))
                status, told = ask(control, "/tyk/reload?block=true")
                assert (status, told["status"]) == (500, "error")
                assert "Tyk's token authentication" in told["message"]
                behind = len(gateway.log)
                api.write_text(text.replace("/my_api_name/", "/"))
                assert ask(control, "/tyk/reload/group") == (200, {"status": "ok", "message": ""})
                gateway.wait_for(r"worker=[01]: reloaded", 2, behind=behind)
            assert get(address, "/other")[0] == 200
            if not shares:  # there it is no path of the gateway's
                assert (
                    get(address, "/tyk/reload", fields={"x-tyk-authorization": SECRET})[2] == b"/tyk/reload"
                )
            assert not gateway.has(SECRET)


def test_without_a_secret_there_is_no_tyk_reload(tmp_path: Path) -> None:
    """The path is like any other."""
    config = tmp_path / "config.yaml"
    config.write_text("workers: 1\ntyk: {secret: ''}\nroutes: [{uri: /a}]\n")
    with origin() as server:
        config.write_text("workers: 1\ntyk: {secret: ''}\n" + routes(server.server_port, "/*", ends=False))
        with running(config, "--listen", "127.0.0.1:0") as gateway:
            status, _, body = get(gateway.serving(), "/tyk/reload", fields={"x-tyk-authorization": ""})
            assert (status, body) == (200, b"/tyk/reload")
