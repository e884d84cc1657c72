"""Processes that are kept: how they start, what they see, how they end and what ends with them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from host.external.child import launch
from host.external.process import ManagedProcess, is_listening
from host.metrics.table import MetricsTable
from tests.external.peers import (
    GRANDCHILD,
    LISTEN,
    gone,
    is_alive,
    kept,
    line_of,
    parent_of,
    run,
    script,
    until,
)

SLEEP = "import time; print('ready', flush=True); time.sleep(600)"


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_a_process_runs_in_a_group_of_its_own(on_uvloop: bool) -> None:
    """So that all of it can be ended, and signals of the terminal do not reach it. Its parent is never the gateway:
    there, process 1 of a container would be taken for the sign of an orphan."""

    async def test() -> None:
        async with kept(script(SLEEP)) as process:
            await line_of(process, "ready")
            pid = process.pid
            assert os.getpgid(pid) == os.getsid(pid) == pid
            parent = parent_of(pid)
            assert parent not in (1, os.getpid())
        assert not is_alive(pid)
        assert process.pid == 0

    run(test(), on_uvloop=on_uvloop)


@pytest.mark.parametrize("how", ["", "ignore", "leave", "ignore leave"])
def test_grandchildren_end_with_it(how: str) -> None:
    """Also those that ignore SIGTERM, and those that have made a session of their own."""

    async def test() -> None:
        async with kept(script(GRANDCHILD, *how.split())) as process:
            grandchild = int(await line_of(process, "grandchild"))
            pid = process.pid
        assert not is_alive(pid)
        assert not is_alive(grandchild)

    run(test())


def test_a_process_that_is_killed_takes_its_grandchildren_along() -> None:
    """One that lives and does not work is killed, and started again."""

    async def test() -> None:
        ended: list[int] = []

        async def sleep(_: float) -> None:
            await asyncio.Event().wait()

        async with kept(script(GRANDCHILD, "ignore", "leave"), sleep=sleep) as process:
            process.on_exit.append(ended.append)
            grandchild = int(await line_of(process, "grandchild"))
            process.kill()
            await until(lambda: ended)
            assert ended == [-signal.SIGKILL]
            assert not is_alive(grandchild)

    run(test())


def test_what_a_process_leaves_behind_is_ended_before_the_next_start() -> None:
    """Two generations of children would share what there is one of: a port, a file."""

    async def test() -> None:
        alive_at_restart: list[bool] = []

        async def sleep(_: float) -> None:
            grandchild = int(process.last_lines[-1].removeprefix("grandchild"))
            alive_at_restart.append(is_alive(grandchild))
            await asyncio.Event().wait()

        process = ManagedProcess(script(GRANDCHILD, "end", "leave"), sleep=sleep)
        process.start()
        await until(lambda: alive_at_restart)
        await process.stop()
        assert alive_at_restart == [False]

    run(test())


def test_the_group_ends_when_the_gateway_is_killed(tmp_path: Path) -> None:
    """By SIGKILL, which leaves it no turn: the kernel tells the launcher."""
    gateway = tmp_path / "gateway.py"
    gateway.write_text(
        textwrap.dedent(
            """
            import asyncio, sys
            from tests.external.peers import GRANDCHILD, kept, line_of, script

            async def main():
                async with kept(script(GRANDCHILD, "ignore")) as process:
                    print(process.pid or await line_of(process, "grandchild"), process.pid, flush=True)
                    await asyncio.Event().wait()

            asyncio.run(main())
            """
        )
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, gateway], stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        grandchild, child = map(int, running.stdout.readline().split())
        assert is_alive(child)
        assert is_alive(grandchild)
        running.kill()
    run(gone(child, grandchild))


def test_the_group_ends_when_the_launcher_is_killed() -> None:
    """As the kernel does when memory is short: the process dies by its own death signal, its group by us."""

    async def test() -> None:
        ended: list[int] = []

        async def sleep(_: float) -> None:
            await asyncio.Event().wait()

        async with kept(script(GRANDCHILD, "ignore"), sleep=sleep) as process:
            process.on_exit.append(ended.append)
            grandchild = int(await line_of(process, "grandchild"))
            pid = process.pid
            launcher = parent_of(pid)
            os.kill(launcher, signal.SIGKILL)
            await gone(pid, grandchild)
            await until(lambda: ended)
        assert ended == [-signal.SIGKILL]

    run(test())


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("raise SystemExit(111)", 111),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os; os.abort()", -signal.SIGABRT),
    ],
)
def test_the_exit_status_is_the_process_s(source: str, status: int) -> None:
    """And not the launcher's, which stands between."""

    async def test() -> None:
        child = await launch(script(source), {}, lambda _: None)
        assert await child.ended == status

    run(test())


def test_a_command_that_is_missing_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """It will not be there in three seconds either: said once, tried again each half minute."""

    async def test() -> None:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                await asyncio.Event().wait()

        async with kept(script("", command=("/nowhere/runner", "run")), sleep=sleep) as process:
            await until(lambda: len(pauses) == 3)
            assert not await process.wait_until_up(5)
        assert pauses == [30, 30, 30]

    with caplog.at_level(logging.ERROR):
        run(test())
    assert [each.message for each in caplog.records] == [
        "cannot be run: cannot run /nowhere/runner: No such file or directory; tried again each 30 s"
    ]


@pytest.mark.parametrize(
    ("command", "folder", "said"),
    [
        (("/etc/passwd",), None, "cannot run /etc/passwd: Permission denied"),
        (
            (sys.executable,),
            Path("/nowhere"),
            f"cannot run {sys.executable} in /nowhere: No such file or directory",
        ),
        (("no-such-program-anywhere", "run"), None, "cannot run no-such-program-anywhere: not found in PATH"),
        (
            ("/nowhere/runner run",),
            None,
            "cannot run /nowhere/runner run: No such file or directory; its arguments are items of their own",
        ),
        (("a\0b",), None, "cannot run the command: execve: embedded null character in path"),
    ],
)
def test_a_command_that_cannot_be_run_says_why(
    command: tuple[str, ...], folder: Path | None, said: str
) -> None:
    """The reason of the operating system, with what it is about."""

    async def test() -> None:
        written: list[bytes] = []
        child = await launch(script("", command=command, folder=folder), {}, written.append)
        assert await child.ended in (126, 127)
        assert b"".join(written).decode() == said + "\n"

    run(test())


def test_a_process_that_crashes_is_started_again_after_growing_pauses() -> None:
    """3 seconds, then twice as long each time, 30 at most; a minute of life makes it 3 again."""

    async def test() -> None:
        pauses: list[float] = []
        clock = 0.0

        async def sleep(seconds: float) -> None:
            nonlocal clock
            pauses.append(seconds)
            if len(pauses) == 7:
                await asyncio.Event().wait()

        def now() -> float:  # read at each start and each end: the sixth run takes a minute
            nonlocal clock
            clock += 60.0 if len(pauses) == 5 else 0.1
            return clock

        table = MetricsTable()
        async with kept(script("raise SystemExit(1)"), metrics=table, now=now, sleep=sleep) as process:
            await until(lambda: len(pauses) == 7)
            assert process.generation == 7
        assert pauses == [3, 6, 12, 24, 30, 3, 6]
        assert table.counter("process_restarts_total", {"process": "peer"}).value == 6

    run(test())


def test_a_stop_does_not_wait_for_the_pause() -> None:
    """A gateway ends while a runner is down."""

    async def test() -> None:
        ended = asyncio.Event()
        process = ManagedProcess(script("raise SystemExit(1)", restart_pause=30.0))
        process.on_exit.append(lambda _: ended.set())
        process.start()
        await ended.wait()
        await asyncio.wait_for(process.stop(), 5)

    run(test())


def test_a_process_that_is_stopped_while_it_starts_ends() -> None:
    """Also before it has a session of its own."""

    async def test() -> None:
        process = ManagedProcess(script(SLEEP))
        process.start()
        await asyncio.sleep(0)
        await asyncio.wait_for(process.stop(), 5)
        assert process.pid == 0

    run(test())


def test_it_is_up_when_its_socket_is_there(tmp_path: Path) -> None:
    """A socket that an earlier run has left behind is none."""

    async def test() -> None:
        path = str(tmp_path / "peer.sock")
        spec = script(LISTEN + "time.sleep(600)", socket=path, environment=(("LISTEN", path),))
        async with kept(spec) as process:
            assert await process.wait_until_up(20)
        # Nobody has removed the socket.
        async with kept(script(SLEEP, socket=path)) as process:
            await line_of(process, "ready")
            assert not await process.wait_until_up(0.1)
        async with kept(spec) as process:
            assert await process.wait_until_up(20)

    run(test())


def test_a_socket_that_is_bound_is_not_yet_listened_on(tmp_path: Path) -> None:
    """Who connects in between is refused; and nobody connects to find out."""
    path = str(tmp_path / "peer.sock")
    assert not is_listening(path, None)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert not is_listening(path, None)
        listener.listen()
        assert is_listening(path, None)
        found = os.stat(path)
        assert not is_listening(path, (found.st_dev, found.st_ino, found.st_ctime_ns))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_wait_ends_with_the_first_failure(tmp_path: Path) -> None:
    """Nobody waits out `start_timeout` for a process that has ended."""

    async def test() -> None:
        async with kept(script("raise SystemExit(1)", socket=str(tmp_path / "never"))) as process:
            assert not await process.wait_until_up(600)

    run(test())


def test_the_environment_is_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the gateway's own variables: the base set and those in `inherit`."""
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.setenv("MY_ENV_VAR", "mine")
    monkeypatch.setenv("TZ", "UTC")

    async def test() -> None:
        source = (
            "import json, os; print('environment', json.dumps(dict(os.environ)), flush=True)" + "\n" + SLEEP
        )
        spec = script(source, inherit=("MY_ENV_VAR", "ABSENT"), environment=(("MODE", "dev"),))
        async with kept(spec) as process:
            seen = json.loads(await line_of(process, "environment"))
        assert seen.items() >= {"MY_ENV_VAR": "mine", "MODE": "dev", "TZ": "UTC"}.items()
        assert set(seen) <= {"PATH", "HOME", "LANG", "TZ", "MY_ENV_VAR", "MODE", "LC_CTYPE"}

    run(test())


def test_no_descriptor_of_the_gateway_reaches_it(tmp_path: Path) -> None:
    """A listening socket in a runner's hands would keep the port."""

    async def test() -> None:
        source = "import os; print('open', *sorted(os.listdir('/proc/self/fd')), flush=True)\n" + SLEEP
        descriptor = os.open(tmp_path, os.O_RDONLY)
        os.set_inheritable(descriptor, True)
        try:
            async with kept(script(source)) as process:
                seen = (await line_of(process, "open")).split()
        finally:
            os.close(descriptor)
        assert seen == ["0", "1", "2", "3"]  # the last is that of the listing

    run(test())


def test_lines_come_into_the_log_with_name_pid_and_level(caplog: pytest.LogCaptureFixture) -> None:
    """One record for each line, of standard output and standard error."""

    async def test() -> None:
        source = """
            import sys, time
            print('{"level": "error", "msg": "bad"}', flush=True)
            print("plain", file=sys.stderr, flush=True)
            print("without an end", end="", flush=True)
            raise SystemExit(3)
        """
        ended = asyncio.Event()
        async with kept(script(textwrap.dedent(source))) as process:
            process.on_exit.append(lambda _: ended.set())
            await ended.wait()

    with caplog.at_level(logging.INFO):
        run(test())
    found = [(each.levelno, each.message, each.fields) for each in caplog.records]  # type: ignore[attr-defined]
    pid = found[0][2]["pid"]
    fields = {"process": "peer", "pid": pid}
    # What is written at once may be there before the process is known to be up.
    assert sorted(each for each in found if each[1] not in ("is up",))[:4] == sorted(
        [
            (logging.ERROR, '{"level": "error", "msg": "bad"}', fields),
            (logging.INFO, "plain", fields),
            (logging.INFO, "without an end", fields),
            (logging.ERROR, "ended (status 3); next start in 3.0 s", fields),
        ],
        key=lambda each: each[:2],
    )


def test_a_flood_of_output_does_not_hold_the_process_up(caplog: pytest.LogCaptureFixture) -> None:
    """All is read, some of it logged, the rest counted."""

    async def test() -> None:
        lines = 100_000
        source = (
            f"import sys; sys.stdout.write('x' * 9 + chr(10) * {lines}); sys.stdout.write('y' * 50_000_000)"
        )
        ended: list[int] = []
        async with kept(script(source, restart_pause=600.0)) as process:
            process.on_exit.append(ended.append)
            await until(lambda: ended)
        assert ended == [0]

    with caplog.at_level(logging.INFO):
        run(test())
    taken = [each for each in caplog.records if each.levelno == logging.INFO]
    assert max(len(each.message) for each in taken) <= 3800
    assert any("lines of its output were dropped" in each.message for each in caplog.records)
