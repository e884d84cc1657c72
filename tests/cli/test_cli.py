"""The command line: exit statuses, what goes to which stream, and what each command hands on."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import host
from abi.wasmfile import WasmFile
from host.cli import main
from host.cli.inspect import describe
from host.cli.run import listen, plugin_config, upstream, workers
from host.config import Listen, Node, PluginUse, WasmPlugin

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "testdata/plugins"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "host", *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
    )


def test_version_says_where_it_was_imported_from() -> None:
    """There is another distribution named `abi`: it must be visible which files run."""
    result = command("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("sluiceway 0.")
    assert f"from {Path(host.__file__ or '').parent} (Python 3." in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["check", "--help"], ["inspect", "--help"], ["build", "--help"]],
)
def test_help_has_an_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And exits with 0."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "example" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["serve"], "invalid choice: 'serve'"),
        (["run"], "the following arguments are required: CONFIG|PLUGIN.wasm"),
        (["run", "x.wasm"], "x.wasm is a plugin: say where requests go with --upstream URL"),
        (["run", "c.yaml", "--conf", "x"], "--upstream and --conf go with PLUGIN.wasm"),
        (["run", "c.yaml", "--upstream", "http://h"], "--upstream and --conf go with PLUGIN.wasm"),
        (["build", "p", "--kind", "lua"], "argument --kind: invalid choice: 'lua'"),
        (["run", "c.yaml", "--listen", "9080"], "expected HOST:PORT such as 127.0.0.1:9080, got '9080'"),
        (["run", "c.yaml", "--work", "2"], "unrecognized arguments: --work 2"),
        (["check", "a", "b"], "unrecognized arguments: b"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the usage and one sentence on standard error."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: sluiceway")
    assert message in captured.err


def test_a_wrong_configuration_ends_with_1_and_no_traceback(tmp_path: Path) -> None:
    """Every problem a line on standard error, then their number."""
    path = tmp_path / "c.yaml"
    path.write_text("routes: 5\nworkrs: 1\n")
    result = command("check", str(path))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"{path}:1: routes: expected a list, got the number 5\n"
        f"{path}:2: workrs: unknown key; did you mean 'workers'?\n"
        "2 problems\n"
    )


def test_output_into_a_closed_pipe_ends_quietly() -> None:
    """`sluiceway schema | head -1` is no error of ours to tell."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "host", "schema"], stdout=writer, stderr=subprocess.PIPE, timeout=60, cwd=ROOT
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")


def test_build_of_what_is_no_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, no traceback, nothing written."""
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "x.wasm")]) == 1
    message = f"sluiceway: {tmp_path} has no .go files: give the folder of the plugin's package main"
    assert capsys.readouterr() == ("", f"{message}\n")
    assert not (tmp_path / "x.wasm").exists()


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """And the same as the file in docs."""
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert "routes" in json.loads(printed)["properties"]
    assert printed == (ROOT / "docs/config.schema.json").read_text()


def test_inspect_shows_what_a_plugin_needs(capsys: pytest.CaptureFixture[str]) -> None:
    """The table of the article's plugin, from TinyGo."""
    path = PLUGINS / "custom_response_header/plugin.wasm"
    assert main(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(path)
    assert "  ABI version  0.2.0" in lines
    assert any(line.startswith("  toolchain    TinyGo") for line in lines)
    assert "      proxy_replace_header_map_value" in lines
    assert "    proxy_on_response_headers" in lines
    assert lines[-1] == "  runs here    yes"


def test_inspect_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object with the same facts."""
    path = PLUGINS / "custom_response_header/plugin.wasm"
    assert main(["inspect", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["file"], report["abi_version"], report["faults"]) == (str(path), "0.2.0", [])
    assert report["size"] == path.stat().st_size
    assert report["memory"] == [{"minimum": 131072, "maximum": None}]
    assert report["allocator"] == "proxy_on_memory_allocate"
    assert "proxy_on_configure" in report["callbacks"]
    assert "malloc" not in report["callbacks"]
    assert report["imports"]["log"] == {"proxy_log": "served"}


def test_inspect_reads_every_guest_of_the_repository() -> None:
    """From all toolchains; all of them run here."""
    paths = sorted(PLUGINS.glob("*/plugin.wasm"))
    assert len(paths) > 12
    for path in paths:
        assert describe(WasmFile.parse(path.read_bytes()))["faults"] == [], path


def _module(*sections: bytes) -> bytes:
    return b"\0asm\1\0\0\0" + b"".join(sections)


def _section(number: int, content: bytes) -> bytes:
    return bytes([number, len(content)]) + content


def _name(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


IMPORTS = _section(1, b"\1\x60\0\0") + _section(
    2,
    b"\3"
    + b"".join(
        _name(module) + _name(name) + b"\0\0"
        for module, name in [("env", "proxy_new_call"), ("env", "mystery"), ("gojs", "runtime.wasmExit")]
    ),
)


def test_inspect_says_why_a_module_cannot_run_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No marker, no memory, imports that nobody has: each a line, and exit status 1."""
    path = tmp_path / "p.wasm"
    path.write_bytes(_module(IMPORTS))
    assert main(["inspect", str(path)]) == 1
    output = capsys.readouterr().out
    assert "runs here    no:" in output
    assert "no known ABI version: exports no marker, expected one of proxy_abi_version_0_1_0" in output
    assert "no memory: a plugin exports one as 'memory'" in output
    assert "import env.mystery: the host has no such function" in output
    assert (
        "import gojs.runtime.wasmExit: the host has no such function (the module is built for JavaScript"
        in output
    )
    assert "proxy_new_call  (no version of the ABI has it: answers UNIMPLEMENTED)" in output


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no module: "),
        (b"not wasm", "is no module: "),
        (b"\0asm\1\0\0\0\1\xff", "is no module: "),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_inspect_of_what_is_no_module(
    data: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, exit status 1."""
    path = tmp_path / "p.wasm"
    if data is not None:
        path.write_bytes(data)
    assert main(["inspect", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"sluiceway: {path} {message}")
    assert captured.err.count("\n") == 1


def test_a_plugin_alone_becomes_the_same_config_as_from_yaml() -> None:
    """One route for everything, on the loopback address."""
    config = plugin_config(Path("dir/hdr.wasm"), Node("127.0.0.1", 8080), '{"a": 1}')
    assert config.listen == (Listen("127.0.0.1", 9080),)
    assert config.workers == 1
    assert config.plugins == (WasmPlugin(name="hdr", file=Path.cwd() / "dir/hdr.wasm"),)
    (route,) = config.routes
    assert route.uris == ("/*",)
    assert route.upstream is not None
    assert route.upstream.nodes == (Node("127.0.0.1", 8080),)
    assert route.plugins == (PluginUse(name="hdr", configuration=b'{"a": 1}', scope="routes/1"),)


def test_a_configuration_byte_that_is_not_utf_8_is_handed_on() -> None:
    """Python shows such bytes of the command line as surrogates (PEP 383)."""
    (route,) = plugin_config(Path("p.wasm"), Node("h", 1), "\udcff").routes
    assert route.plugins[0].configuration == b"\xff"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9080", Listen("127.0.0.1", 9080)),
        ("localhost:0", Listen("localhost", 0)),
        ("[::1]:80", Listen("::1", 80)),
    ],
)
def test_listen_addresses(text: str, expected: Listen) -> None:
    """HOST:PORT; port 0 lets the system choose."""
    assert listen(text) == expected


@pytest.mark.parametrize(
    "text", ["", "9080", ":9080", "h:", "h:x", "h:65536", "h:-1", "::1:80", "h:\uff18\uff10"]
)
def test_other_listen_addresses_are_refused(text: str) -> None:
    """With what is expected."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected "):
        listen(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://h", Node("h", 80)),
        ("http://h:8080/", Node("h", 8080)),
        ("h:8080", Node("h", 8080)),
        ("http://[::1]:8080", Node("::1", 8080)),
    ],
)
def test_upstream_urls(text: str, expected: Node) -> None:
    """A scheme may be left out."""
    assert upstream(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://h",
        "http://",
        "http://h:0",
        "http://h:x",
        "http://h/p",
        "http://h?q",
        "http://u@h",
        "http://[h",
    ],
)
def test_other_upstream_urls_are_refused(text: str) -> None:
    """TLS is not served yet; a path would have to be joined to the request's."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected "):
        upstream(text)


@pytest.mark.parametrize("text", ["0", "1025", "-1", "x", "1.5", ""])
def test_other_numbers_of_workers_are_refused(text: str) -> None:
    """From 1 to 1024."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected a number from 1 to 1024"):
        workers(text)


def test_check_prints_the_chains(tmp_path: Path) -> None:
    """Class, priority, name and kind, in the order in which requests pass; global rules first."""
    (tmp_path / "c.yaml").write_text(
        f"""
python: {{path: [{ROOT}/examples/shadow], plugins: [{{name: stamp, class: "stamp:Stamp", priority: 5}}]}}
wasm:
  plugins:
    - {{name: header, priority: 1, file: {PLUGINS}/custom_response_header/plugin.wasm}}
    - {{name: early, priority: 2, http_request_phase: rewrite, file: {PLUGINS}/custom_response_header/plugin.wasm}}
global_rules: [{{id: g, plugins: {{header: {{conf: {{headers: []}}}}}}}}]
routes:
  - {{id: r, uris: [/a, /b*], upstream: {{nodes: {{"127.0.0.1:1": 1}}}},
     plugins: {{stamp: {{conf: {{a: b}}, _meta: {{priority: 9}}}}, early: {{conf: {{headers: []}}}}}}}}
"""
    )
    result = command("check", "--chains", str(tmp_path / "c.yaml"))
    assert result.stdout.splitlines()[:-1] == [
        "route r (/a, /b*):",
        "  access            1  header (wasm, global rule)",
        "  rewrite           2  early (wasm)",
        "  access            9  stamp (python)",
    ], result.stderr


def test_check_prints_where_a_shadow_watches(tmp_path: Path) -> None:
    """Around the plugin that it is compared with, under its own name."""
    (tmp_path / "c.yaml").write_text(
        f"""
python: {{path: [{ROOT}/examples/shadow], plugins: [{{name: stamp, class: "stamp:Stamp", priority: 5}}]}}
wasm:
  plugins:
    - {{name: header, priority: 1, file: {PLUGINS}/custom_response_header/plugin.wasm}}
routes:
  - {{id: r, uri: /a, upstream: {{nodes: {{"127.0.0.1:1": 1}}}}, plugins: {{
       stamp: {{conf: {{a: b}}, _meta: {{shadow: {{plugin: header, conf: {{headers: []}}}}}}}}}}}}
"""
    )
    result = command("check", "--chains", str(tmp_path / "c.yaml"))
    assert result.stdout.splitlines()[1:-1] == [
        "  access            5  header, shadow of stamp: before (python)",
        "  access            5  stamp (python)",
        "  access            5  header, shadow of stamp: behind (python)",
    ], result.stderr
