"""The gateway's start: what it serves, and what it says of what it cannot."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from tests.e2e.process import ROOT, get, origin, plugin, running

HEADERS = '{"headers":[{"name":"X-Go-Wasm","value":"APISIX"}]}'


def write(folder: Path, plugins: str, routes: str, more: str = "") -> Path:
    """A configuration in one file, on a port that the system chooses (`--listen` says so)."""
    path = folder / "sluiceway.yaml"
    path.write_text(f"workers: 1\n{more}{plugins}\nroutes:\n{routes}\n")
    return path


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """`sluiceway check`."""
    return subprocess.run(
        [sys.executable, "-m", "host", "check", str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=ROOT,
    )


def test_the_two_files_of_the_article_run(tmp_path: Path) -> None:
    """`config.yaml` names the plugin, `apisix.yaml` puts it on a route: as printed but for paths and ports."""
    (tmp_path / "config.yaml").write_text(
        "apisix: {node_listen: [{ip: 127.0.0.1, port: 1}]}\nworkers: 1\n"
        "wasm:\n  plugins:\n    - name: custom-response-header\n      priority: 7000\n"
        f"      file: {plugin('custom_response_header')}\n"
    )
    with origin() as server:
        (tmp_path / "apisix.yaml").write_text(
            "routes:\n  - uri: /*\n    upstream:\n      type: roundrobin\n      nodes:\n"
            f'        "127.0.0.1:{server.server_port}": 1\n'
            "    plugins:\n      custom-response-header:\n        conf: |\n"
            '          {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}\n#END\n'
        )
        with running(tmp_path / "config.yaml", "--listen", "127.0.0.1:0") as gateway:
            status, fields, body = get(gateway.serving(), "/hello")
    assert (status, fields["x-go-wasm"], body) == (200, "APISIX", b"/hello")


def test_a_plugin_runs_without_a_configuration() -> None:
    """`sluiceway run PLUGIN.wasm --upstream URL --conf TEXT`."""
    with (
        origin() as server,
        running(
            plugin("custom_response_header"),
            "--upstream", f"http://127.0.0.1:{server.server_port}",
            "--conf", HEADERS,
            "--listen", "127.0.0.1:0",
        ) as gateway,
    ):  # fmt: skip
        status, fields, body = get(gateway.serving(), "/")
    assert (status, fields["x-go-wasm"], body) == (200, "APISIX", b"/")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_line(workers: str) -> None:
    """And exit status 1; also where SO_REUSEPORT would let two gateways share the port without a word."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        arguments = [
            "--upstream",
            "http://127.0.0.1:1",
            "--listen",
            f"127.0.0.1:{port}",
            "--workers",
            workers,
        ]
        result = subprocess.run(
            [sys.executable, "-m", "host", "run", str(plugin("body")), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=ROOT,
        )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"sluiceway: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_run_tells_every_problem_of_a_configuration(tmp_path: Path) -> None:
    """As `check` does, and does not start."""
    path = write(tmp_path, "", "  - uri: /a\n    uris: [/b]\n  - urii: /c\n")
    with running(path) as gateway:
        assert gateway.stopped() == 1
    assert gateway.log == check(path).stderr.splitlines()
    assert f"{path}:5: routes[0].uris: stands beside 'uri': give one of them" in gateway.log
    assert f"{path}:6: routes[1].urii: unknown key; did you mean 'uri'?" in gateway.log
    assert gateway.log[-1] == f"{len(gateway.log) - 1} problems"


BROKEN = {
    "truncated": (plugin("body").read_bytes()[:5000], "not a WebAssembly module"),
    "random": (bytes(range(256)) * 8, "not a WebAssembly module"),
    "empty": (b"", "not a WebAssembly module"),
}


def broken_configuration(folder: Path, port: int) -> tuple[Path, dict[str, str]]:
    """Plugins that fail in every way there is, each on a route of its own name; with what is said of each."""
    expected = {}
    plugins, routes = ["wasm:\n  plugins:"], []
    for name, (data, reason) in BROKEN.items():
        (folder / f"{name}.wasm").write_bytes(data)
        expected[name] = reason
        plugins.append(f"    - {{name: {name}, priority: 1, file: {name}.wasm}}")
    for name, reason in (
        ("no_marker", "missing ABI version"),
        ("unknown_imports", "cannot be linked"),
        ("start_traps", "did not start|trap"),
        ("start_loops", "deadline|longer|interrupt"),
    ):
        text = (ROOT / f"testdata/wat/{name}.wat").read_text()
        if name == "unknown_imports":  # it has no memory either, which is told first
            text = text.rstrip().removesuffix(")") + '(memory (export "memory") 1))'
        (folder / f"{name}.wasm").write_bytes(wat2wasm(text))
        expected[name] = reason
        plugins.append(f"    - {{name: {name}, priority: 1, file: {name}.wasm, start_timeout: 200ms}}")
    plugins.append(f"    - {{name: refuses, priority: 1, file: {plugin('fail_configure')}}}")
    plugins.append(f"    - {{name: good, priority: 1, file: {plugin('custom_response_header')}}}")
    expected["refuses"] = "proxy_on_configure returned false"
    for name in expected:
        conf = "fail" if name == "refuses" else "x"
        routes.append(f"  - uri: /{name}\n    plugins:\n      {name}: {{conf: {conf}}}")
    nodes = f'{{"127.0.0.1:{port}": 1}}'
    routes.append(
        f"  - uri: /good\n    upstream: {{nodes: {nodes}}}\n    plugins: {{good: {{conf: '{HEADERS}'}}}}"
    )
    routes.append(
        f"  - uri: /accepted\n    upstream: {{nodes: {nodes}}}\n    plugins: {{refuses: {{conf: y}}}}"
    )
    routes.append(f"  - uri: /bare\n    upstream: {{nodes: {nodes}}}")
    return write(folder, "\n".join(plugins), "\n".join(routes)), expected


def test_a_plugin_that_does_not_come_up_takes_its_routes_down_and_no_other(tmp_path: Path) -> None:
    """They answer 503 and the log says why; the rest is served, another configuration of the same plugin too."""
    with origin() as server:
        path, expected = broken_configuration(tmp_path, server.server_port)
        with running(path, "--listen", "127.0.0.1:0") as gateway:
            address = gateway.serving()
            for name, reason in expected.items():
                status, _, body = get(address, f"/{name}")
                assert (status, body) == (
                    503,
                    b'{"error_msg":"503 A plugin of this route is not available"}\n',
                ), name
                gateway.wait_for(f"error .*plugin {name}: .*({reason})")
            assert get(address, "/bare")[0] == 200
            assert get(address, "/good")[1]["x-go-wasm"] == "APISIX"
            assert get(address, "/accepted")[0] == 200
            gateway.wait_for(f"{len(expected)} of {len(expected) + 3} routes answer 503")
            assert get(address, "/unknown")[0] == 404


def test_check_tells_of_the_same_with_file_and_line(tmp_path: Path) -> None:
    """Exit status 1; each line begins with where the plugin, or its configuration, is written."""
    path, expected = broken_configuration(tmp_path, 1)
    result = check(path)
    assert (result.returncode, result.stdout) == (1, "")
    lines = path.read_text().splitlines()
    text = "\n".join(re.split(r"(?m)^(?=/)", result.stderr))
    for name, reason in expected.items():
        found = re.search(rf"(?s){re.escape(str(path))}:(\d+): (\S+): plugin {name}: (.*?)(?=\n/|\Z)", text)
        assert found is not None, (name, result.stderr)
        assert re.search(reason, found[3]), (name, found[3])
        assert name in lines[int(found[1]) - 1]
        if name == "refuses":
            assert found[2] == f"routes[{list(expected).index(name)}].plugins.refuses"
        else:
            assert found[2] == f"wasm.plugins[{list(expected).index(name)}].file"
    assert result.stderr.endswith(f"{len(expected)} problems\n")


def test_check_starts_plugins_that_no_route_uses(tmp_path: Path) -> None:
    """A plugin that does not start is a problem before somebody enables it."""
    path = write(
        tmp_path,
        f"wasm: {{plugins: [{{name: idle, priority: 1, file: {plugin('fail_vm_start')}}}]}}",
        '  - {uri: /a, upstream: {nodes: {"127.0.0.1:1": 1}}}',
    )
    assert check(path).returncode == 0  # proxy_on_vm_start comes with the first configuration
    (tmp_path / "traps.wasm").write_bytes(wat2wasm((ROOT / "testdata/wat/start_traps.wat").read_text()))
    path.write_text(path.read_text().replace(str(plugin("fail_vm_start")), "traps.wasm"))
    result = check(path)
    assert result.returncode == 1
    assert "wasm.plugins[0].file: plugin idle: " in result.stderr


def wait_until_it_listens(port: int) -> None:
    """For a gateway whose log cannot be read."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("it does not listen")


def test_a_closed_standard_error_costs_nothing_but_the_log(tmp_path: Path) -> None:
    """No socket gets its number, to receive log lines instead."""
    with origin() as server, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        command = (
            f"exec {sys.executable} -m host run {plugin('log_levels')} "
            f"--upstream http://127.0.0.1:{server.server_port} --listen 127.0.0.1:{port} 2>&- 0<&- 1>&-"
        )
        process = subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, env=dict(os.environ))
        try:
            wait_until_it_listens(port)
            answers = [get(("127.0.0.1", port), "/x") for _ in range(5)]
            assert [(status, body) for status, _, body in answers] == [(200, b"/x")] * 5
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


def test_check_says_which_process_cannot_be_run(tmp_path: Path) -> None:
    """Nothing else would: routes that ask a runner come up without it."""
    path = tmp_path / "config.yaml"
    path.write_text('ext-plugin: {cmd: ["/nowhere/runner run"]}\nroutes: []\n')
    done = check(path)
    assert done.returncode == 1
    assert (
        "process runner: cannot be run: cannot run /nowhere/runner run: No such file or directory; "
        "its arguments are items of their own\n1 problem\n"
    ) in done.stderr
