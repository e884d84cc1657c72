"""WASI as guests find it: logs, clocks, random bytes, and fixed answers for everything else."""

from __future__ import annotations

from typing import Any

import pytest

from abi import WASI_FUNCTIONS, LogLevel, WasiErrno
from tests.hostcalls.relays import OUT, Run, run
from tests.plugin.guests import host, send

FILE = "relay_wasi.wat"
SERVED = {row.name for row in WASI_FUNCTIONS if row.errno is None}


def call(name: str, *arguments: Any, phase: str = "request_headers", **options: Any) -> Run:
    return run((phase, name, *arguments), file=FILE, **options)


def errno(outcome: Run) -> WasiErrno:
    (_, _, result) = outcome.results[0]
    return WasiErrno(result)


@pytest.mark.parametrize(
    "row", [row for row in WASI_FUNCTIONS if row.errno is not None], ids=lambda row: row.name
)
def test_what_is_not_served_answers_its_errno(row: Any) -> None:
    """ABI.md 1.7: there are no files and no sockets."""
    assert errno(call(row.name, *[0] * len(row.parameters))) == row.errno


@pytest.mark.parametrize(
    ("clock", "expected"),
    [(0, WasiErrno.SUCCESS), (1, WasiErrno.SUCCESS), (2, WasiErrno.NOTSUP), (3, WasiErrno.NOTSUP)],
)
def test_two_clocks_are_served(clock: int, expected: WasiErrno) -> None:
    """C exports Clock: both go on, and tick in nanoseconds."""
    outcome = run(
        ("request_headers", "clock_time_get", clock, 0, OUT),
        ("log", "clock_time_get", clock, 0, OUT + 8),
        ("log", "clock_res_get", clock, OUT + 16),
        file=FILE,
    )
    assert [WasiErrno(result) for _, _, result in outcome.results] == [expected] * 3
    if expected is WasiErrno.SUCCESS:
        assert 0 < outcome.number(8) < outcome.number(8, OUT + 8)
        assert outcome.number(8, OUT + 16) == 1


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, WasiErrno.SUCCESS),
        (32, WasiErrno.SUCCESS),
        (65536, WasiErrno.SUCCESS),
        (65537, WasiErrno.INVAL),
        (66560, WasiErrno.INVAL),
    ],
)
def test_random_bytes_come_in_portions(length: int, expected: WasiErrno) -> None:
    """C exports Random."""
    outcome = call("random_get", 0x30000, length)
    assert errno(outcome) is expected
    data = outcome.host.read_memory(0x30000, length)
    if expected is WasiErrno.SUCCESS and length >= 32:
        assert data != bytes(length)


@pytest.mark.parametrize(("fd", "level"), [(1, LogLevel.INFO), (2, LogLevel.ERROR)])
def test_what_is_written_is_logged_line_by_line(fd: int, level: LogLevel) -> None:
    """EC WASI: standard output at INFO, standard error at ERROR, without the last line break."""
    with host("log_levels", {"phases": ["request_headers"], "text": "a text\n"}) as plugin:
        with plugin.http_stream() as stream:
            send(stream)
        rows = [row for row in plugin.trace("fd_write") if row.arguments[0] == fd and row.context == 2]
        assert [row.result for row in rows] == [WasiErrno.SUCCESS]
        assert (
            plugin.logs(level).count("a text\n") == 2
        )  # proxy_log's, and this: one of its two line breaks is gone


@pytest.mark.parametrize("fd", [0, 3, 100, 0xFFFFFFFF])
def test_there_are_two_files(fd: int) -> None:
    """Others are bad descriptors."""
    assert errno(call("fd_write", fd, 0, 0, OUT)) is WasiErrno.BADF
    assert errno(call("fd_fdstat_get", fd, OUT)) is WasiErrno.BADF


def test_there_are_no_arguments_and_no_variables_but_the_configured() -> None:
    """C exports WithoutEnvironment."""
    for name in ("args_sizes_get", "environ_sizes_get"):
        outcome = call(name, OUT, OUT + 4)
        assert errno(outcome) is WasiErrno.SUCCESS
        assert (outcome.number(), outcome.number(at=OUT + 4)) == (0, 0)
    outcome = call("environ_sizes_get", OUT, OUT + 4, environment={"A": "b", "C": ""})
    assert (outcome.number(), outcome.number(at=OUT + 4)) == (2, len(b"A=b\0C=\0"))


def test_no_event_ever_comes() -> None:
    """Go's runtime polls, and takes none for an answer."""
    outcome = call("poll_oneoff", 0, 0, 1, OUT)
    assert errno(outcome) is WasiErrno.SUCCESS
    assert outcome.number() == 0


def test_an_exit_behind_the_start_ends_the_guest() -> None:
    """With the code in the reason, 0 too."""
    for code in (0, 3):
        outcome = call("proc_exit", code)
        assert outcome.host.failures == 1
        assert outcome.host.last_failure is not None
        assert f"the guest exited with code {code}" in outcome.host.last_failure.reason


def test_every_function_is_served_or_has_an_errno() -> None:
    """The table of abi and the core agree."""
    assert {"fd_write", "random_get", "clock_time_get", "proc_exit"} <= SERVED
