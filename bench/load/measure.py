"""What one server spends on one round of load: user and system CPU time of its whole process tree, over the answers.

Requests per second of a shared machine are noisy, as a neighbour takes its share of them; the CPU time that a server
spends per answered request is much less so. Only Linux's /proc is read: nothing runs inside the server.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of load on one server."""

    microseconds: float  # CPU, user and system, per answered request
    rate: float  # requests per second of wall-clock time
    p50: str  # latency as wrk writes it, such as 1.02ms
    p99: str
    errors: int  # answers other than 2xx and 3xx, and failures of the socket
    resident: float  # megabytes (10^6 bytes) of the largest process of the tree
    resident_tree: float  # megabytes of all its processes
    answered: int  # requests


def tree(pid: int) -> list[int]:
    """Return `pid` and the ids of all its living descendants."""
    found, todo = [], [pid]
    while todo:
        process = todo.pop()
        found.append(process)
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                todo += [int(child) for child in children.read_text().split()]
            except OSError:
                continue  # it ended between the listing and the reading
    return found


def cpu_seconds(*pids: int) -> float:
    """Return the CPU time that the trees of these have used so far, threads included, in seconds."""
    ticks = 0
    for process in {process for pid in pids for process in tree(pid)}:
        try:
            # The name in brackets may hold blanks: what follows the last bracket is state, ppid, … (proc(5)).
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_megabytes(pid: int) -> list[float]:
    """Return the resident memory of each process of the tree, in megabytes (10^6 bytes)."""
    sizes = []
    for process in tree(pid):
        try:
            sizes.append(int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 1e6)
        except OSError:
            continue
    return sizes


def verify(name: str, port: int, path: str, *, header: bool) -> None:
    """Ask once; raise RuntimeError unless the answer is the origin's, changed as it should be: no work, no figure.

    `header`: whether `X-Go-Wasm: APISIX` is to be in it.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)  # modules may be compiled
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body, value = answer.read(), answer.getheader("X-Go-Wasm")
    finally:
        connection.close()
    if (answer.status, body) != (200, b"hello world\n") or (value == "APISIX") is not header:
        raise RuntimeError(f"{name} answers {answer.status} {body!r} with X-Go-Wasm: {value}")


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def load(
    pid: int, url: str, *, seconds: int, connections: int, core: int | None = None, threads: int = 1
) -> Sample:
    """Load `url` by wrk with keep-alive connections; return what the tree of `pid` spent on it.

    `core`: where wrk runs, None for anywhere; `threads`: of wrk.
    Raises RuntimeError when wrk fails or nothing was answered.
    """
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    arguments = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    before = cpu_seconds(pid)
    run = subprocess.run(
        [*pinned, "wrk", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=False,
    )
    used = cpu_seconds(pid) - before
    answered = _number(r"(\d+) requests in", run.stdout)
    if run.returncode or not answered:
        raise RuntimeError(f"wrk got nothing from {url}: {run.stdout}{run.stderr}")
    errors = _number(r"Non-2xx or 3xx responses: (\d+)", run.stdout)
    if sockets := re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", run.stdout
    ):
        errors += sum(int(count) for count in sockets.groups())
    latencies = dict(re.findall(r"^\s+(50|99)%\s+(\S+)", run.stdout, re.MULTILINE))
    rate = re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)
    sizes = resident_megabytes(pid)
    return Sample(
        microseconds=used / answered * 1e6,
        rate=float(rate[1]) if rate else 0.0,
        p50=latencies.get("50", "?"),
        p99=latencies.get("99", "?"),
        errors=errors,
        resident=max(sizes, default=0.0),
        resident_tree=sum(sizes),
        answered=answered,
    )
