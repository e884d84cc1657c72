"""Processes beside the gateway: kept by its supervisor, or by a proxy that is embedded; over reloads, to the end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.config import Config, Listen, ProcessSpec
from host.errors import ConfigError
from host.external.processes import Processes
from host.proxy import Proxy
from host.testing.server import GatewayProcess
from tests.external.peers import LISTEN, gone, is_alive, run, script, until

PEER = (
    LISTEN
    + """
import signal
if "ignore" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    end, _ = own.accept()
    end.send(b"%d" % os.getpid())
    end.close()
"""
)
"""A peer that tells its process id to who connects. Argument `ignore`: it ignores SIGTERM."""

GATEWAY = """
import sys
from host.config import Config, Listen
from host.supervisor import serve
from tests.e2e.test_processes import peer

restart = "restart" in sys.argv
specs = tuple(peer(name, *sys.argv[1:], restart_on_reload=restart) for name in ("one", "two"))
sys.exit(serve(Config(listen=(Listen("127.0.0.1", 0),), workers=2, processes=specs)))
"""


def peer(name: str = "peer", *arguments: str, **changes: Any) -> ProcessSpec:
    """A process that listens in the gateway's folder."""
    options: dict[str, Any] = {
        "name": name,
        "socket": f"{name}.sock",
        "environment": (("LISTEN", "{socket}"),),
        "start_timeout": 20.0,
        "stop_timeout": 1.0,
    }
    return script(PEER, *arguments, **{**options, **changes})


def pid_at(path: str) -> int:
    """The process that listens there, by its own word."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        return int(client.recv(100))


class Script(GatewayProcess):
    """A gateway whose configuration is made in code."""

    _command = (sys.executable, "-P", "-c", GATEWAY)


@contextlib.contextmanager
def gateway(*arguments: str, kind: type[Script] = Script) -> Iterator[Script]:
    """Run it until the block ends."""
    root = Path(__file__).resolve().parents[2]
    running = kind(*arguments, cwd=root, environment={"PYTHONPATH": str(root)})
    try:
        yield running
    finally:
        running.kill()


def peers_of(running: GatewayProcess, behind: int = 0) -> list[int]:
    """The processes of the peers that have come up."""
    lines = running.wait_for(r"process=(one|two) pid=\d+: is up", 2, behind=behind)
    return [int(line.partition("pid=")[2].partition(":")[0]) for line in lines]


def test_peers_are_up_before_the_workers_and_end_behind_them() -> None:
    """One set for all workers."""
    with gateway() as running:
        running.serving()
        assert len(running.workers()) == 2
        peers = peers_of(running)
        up = [number for number, line in enumerate(running.log) if "is up" in line]
        serving = [number for number, line in enumerate(running.log) if "serving on" in line]
        assert max(up) < min(serving)
        assert len([line for line in running.log if "listening" in line]) == 2
        running.signal(signal.SIGTERM)
        assert running.stopped() == 0
        assert not any(map(is_alive, peers))


def test_peers_that_ignore_the_signal_do_not_hold_the_gateway_up() -> None:
    """SIGTERM, a second, SIGKILL: to both at the same time."""
    with gateway("ignore") as running:
        running.serving()
        peers = peers_of(running)
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.stopped() == 0
        assert time.monotonic() - began < 3
        assert not any(map(is_alive, peers))


def test_peers_end_with_a_gateway_that_is_killed() -> None:
    """Whatever ends it."""
    with gateway("ignore") as running:
        running.serving()
        peers = peers_of(running)
        running.signal(signal.SIGKILL)
        running.stopped()
        run(gone(*peers))


def test_a_second_signal_ends_everything_at_once() -> None:
    """Also peers, and whatever they do."""
    with gateway("ignore") as running:
        running.serving()
        peers = peers_of(running)
        running.signal(signal.SIGTERM)
        running.signal(signal.SIGINT)
        running.stopped()
        assert not any(map(is_alive, peers))


@pytest.mark.parametrize("restart", [False, True])
def test_a_reload_starts_peers_anew_where_they_are_to_be(restart: bool) -> None:
    """The new ones are up before the old ones end."""
    with gateway(*(["restart"] if restart else [])) as running:
        running.serving()
        old = peers_of(running)
        behind = len(running.log)
        running.signal(signal.SIGHUP)
        running.wait_for(r": reloaded$", 2, behind=behind)
        if restart:
            new = peers_of(running, behind)
            assert not set(new) & set(old)
            assert all(map(is_alive, old))  # exchanges may be on them yet
            run(gone(*old))
            assert all(map(is_alive, new))
        else:
            assert all(map(is_alive, old))
            assert not any("is up" in line for line in running.log[behind:])


def test_a_peer_that_dies_is_started_again() -> None:
    """And said to have."""
    with gateway() as running:
        running.serving()
        first = peers_of(running)[0]
        os.kill(first, signal.SIGKILL)
        running.wait_for(rf"pid={first}: ended \(signal SIGKILL\); next start in 3\.0 s")
        running.wait_for(r"is up", 3)


def children_of(process: int) -> list[int]:
    """The process ids of its children."""
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def descendants_of(process: int) -> list[int]:
    """The process ids of its children, their children, and so on."""
    children = children_of(process)
    return [*children, *(each for child in children for each in descendants_of(child))]


def embedded(*specs: ProcessSpec) -> Config:
    """A gateway with these processes and no route."""
    return Config(listen=(Listen("127.0.0.1", 0),), processes=specs)


def test_an_embedded_proxy_keeps_its_processes_itself() -> None:
    """Nobody else would. Their sockets are in a folder that nobody else may enter."""

    async def test() -> None:
        async with Proxy(embedded(peer())) as proxy:
            (spec,) = proxy.config.processes
            assert spec.socket is not None
            folder = os.path.dirname(spec.socket)
            assert os.stat(folder).st_mode & 0o777 == 0o700
            pid = pid_at(spec.socket)
            assert is_alive(pid)
            assert 'sluiceway_process_up{process="peer"} 1' in proxy.metrics()
            assert 'sluiceway_process_restarts_total{process="peer"} 0' in proxy.metrics()
        assert not is_alive(pid)
        assert folder not in [each.path for each in os.scandir(os.path.dirname(folder))]

    run(test(), on_uvloop=True)


def test_a_proxy_does_not_fail_to_start_over_a_process(caplog: pytest.LogCaptureFixture) -> None:
    """Requests that need it fail; the others are served."""

    async def test() -> None:
        lost = peer(command=("/nowhere/runner",))
        async with Proxy(embedded(lost)) as proxy:
            assert proxy.address
            assert 'sluiceway_process_up{process="peer"} 0' in proxy.metrics()

    run(test())
    assert "cannot be run: cannot run /nowhere/runner" in caplog.text


def test_a_reload_of_an_embedded_proxy_replaces_processes() -> None:
    """What is new is started, what is gone ends, what has changed is replaced, the rest stays."""

    async def test() -> None:
        same, changed, removed = (
            peer(name, restart_on_reload=False) for name in ("same", "changed", "removed")
        )
        async with Proxy(embedded(same, changed, removed)) as proxy:
            before = {spec.name: pid_at(spec.socket or "") for spec in proxy.config.processes}
            changed = dataclasses.replace(changed, environment=(*changed.environment, ("MODE", "dev")))
            await proxy.reload(embedded(same, changed, peer("added")))
            after = {spec.name: pid_at(spec.socket or "") for spec in proxy.config.processes}
            assert set(after) == {"same", "changed", "added"}
            assert after["same"] == before["same"]
            assert after["changed"] != before["changed"]
            assert is_alive(before["changed"])
            assert is_alive(before["removed"])
            await gone(before["changed"], before["removed"])
            assert all(map(is_alive, after.values()))

    run(test(), on_uvloop=True)


def test_a_reload_that_is_refused_leaves_the_processes_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that it had started end, those that it had replaced in place come back."""
    from host import proxy as module

    async def test() -> None:
        async with Proxy(embedded(peer())) as proxy:
            before = proxy.config.processes
            pid = pid_at(before[0].socket or "")
            assemble = module.assemble

            async def refuse(*arguments: Any) -> Any:
                made = await assemble(*arguments)
                made.problems.append(module.Problem("", None, "", "refused"))
                return made

            monkeypatch.setattr(module, "assemble", refuse)
            with pytest.raises(ConfigError):
                await proxy.reload(embedded(peer(), peer("other")))
            assert proxy.config.processes == before
            assert pid_at(before[0].socket or "") == pid
            assert proxy._processes is not None
            assert list(proxy._processes.running) == ["peer"]

    run(test())


def test_a_process_with_a_place_of_its_own_for_its_socket_is_replaced_in_place(tmp_path: Path) -> None:
    """Two cannot listen there: the old one ends first."""

    async def test() -> None:
        spec = peer(socket=str(tmp_path / "peer.sock"))
        processes = Processes()
        first = await processes.start([spec])
        old = pid_at(first[0].socket or "")
        second = await processes.start([spec], instead_of=first)
        assert second == first
        assert not is_alive(old)
        assert pid_at(second[0].socket or "") != old
        await processes.stop()

    run(test())


def test_a_stop_ends_processes_that_are_being_started() -> None:
    """Nobody waits for their sockets any more."""

    async def test() -> None:
        processes = Processes()
        never = script("import time; time.sleep(600)", socket="never.sock", start_timeout=600.0)
        starting = asyncio.ensure_future(processes.start([never]))
        await until(lambda: processes.running and processes.running["peer"].pid)
        pid = processes.running["peer"].pid
        await asyncio.wait_for(processes.stop(), 10)
        await starting
        assert not is_alive(pid)

    run(test())


def _in_namespace() -> list[str]:
    """The command that makes what follows process 1 of a namespace of its own, as in a container."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no namespace of processes can be made here (unshare --pid)")
    return command


def test_peers_of_process_1_end_with_it() -> None:
    """In a container the gateway is process 1: peers are not its children, and it is left with nobody to reap."""

    class Contained(Script):
        _command = (*_in_namespace(), *Script._command)

    with gateway("ignore", kind=Contained) as running:
        running.serving()
        assert all(pid > 1 for pid in peers_of(running))
        (supervisor,) = children_of(running.process.pid)
        assert Path(f"/proc/{supervisor}/status").read_text().partition("NSpid:")[2].split()[1] == "1"
        everybody = descendants_of(supervisor)
        assert len(everybody) == 6  # two workers, two launchers, two peers
        os.kill(supervisor, signal.SIGTERM)
        assert running.stopped() == 0
        run(gone(*everybody))
