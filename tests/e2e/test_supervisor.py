"""The supervisor and its workers: who accepts, who is replaced, and how all of it ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.process import GatewayProcess, get, origin, plugin, running


def configuration(folder: Path, port: int, workers: int = 1, more: str = "", conf: str = "c") -> Path:
    """One route through the lifecycle plugin."""
    path = folder / "sluiceway.yaml"
    path.write_text(
        f"workers: {workers}\n{more}"
        f"wasm: {{plugins: [{{name: life, priority: 1, file: {plugin('lifecycle')}}}]}}\n"
        f'routes: [{{uri: /*, upstream: {{nodes: {{"127.0.0.1:{port}": 1}}}}, '
        f"plugins: {{life: {{conf: {conf}}}}}}}]\n"
    )
    return path


def is_alive(process: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(processes: list[int], seconds: float = 15.0) -> None:
    """Wait until none of them runs."""
    end = time.monotonic() + seconds
    while any(map(is_alive, processes)):
        assert time.monotonic() < end, f"still running: {[each for each in processes if is_alive(each)]}"
        time.sleep(0.02)


def worker_of(request: str) -> str:
    """The worker's process id, which a request's id without X-Request-Id begins with."""
    return request.partition("request=")[2].partition("-")[0]


def wait_until_refused(address: tuple[str, int], seconds: float = 1.0) -> None:
    """Return when connections are refused: each worker closes its sockets when the order reaches it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            get(address)
        except ConnectionError:
            return
    raise AssertionError(f"still served after {seconds} s")


def test_every_worker_accepts(tmp_path: Path) -> None:
    """The kernel spreads connections over their sockets (SO_REUSEPORT)."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port, 3), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        for _ in range(60):  # that one of three gets none of them: 3 * (2/3)^60
            assert get(address)[0] == 200
        lines = gateway.wait_for(r"proxy_on_delete", 60)
        assert {worker_of(line) for line in lines} == {str(process) for process in gateway.workers()}
        assert len(gateway.workers()) == 3


def test_workers_of_the_command_line_count(tmp_path: Path) -> None:
    """`--workers` takes the place of the configuration's."""
    with (
        origin() as server,
        running(
            configuration(tmp_path, server.server_port, 1), "--listen", "127.0.0.1:0", "--workers", "2"
        ) as gateway,
    ):
        gateway.serving()
        assert len(gateway.workers()) == 2


def test_a_worker_that_is_killed_is_replaced_and_no_other_notices(tmp_path: Path) -> None:
    """Connections of the others live on; who connects to the dead one's socket waits for its successor."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port, 2), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        clients = [_Client(address) for _ in range(16)]
        owners = []
        for count, client in enumerate(clients, 1):  # one after the other: two workers' lines have no order
            assert client.ask() == b"/"
            owners.append(worker_of(gateway.wait_for(r"proxy_on_delete", count)[-1]))
        victim, other = gateway.workers()
        os.kill(victim, signal.SIGKILL)
        gateway.wait_for(r"worker 0 ended \(signal SIGKILL\)")
        for client, owner in zip(clients, owners, strict=True):
            if owner == str(other):
                assert client.ask() == b"/"
            client.close()
        for _ in range(20):
            assert get(address)[0] == 200
        workers = gateway.workers()
        assert len(workers) == 2
        assert other in workers
        assert victim not in workers


class _Client:
    """A client that keeps its connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=10)

    def ask(self) -> bytes:
        """Return the body of an answer of one byte."""
        self._socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        while not data.endswith(b"\r\n\r\n/"):
            received = self._socket.recv(4096)
            assert received, data
            data += received
        return data[-1:]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class _Asking(threading.Thread):
    """One request in a thread; `answer` is what came."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        super().__init__(daemon=True)
        self._address, self._path = address, path
        self.answer: tuple[int, bytes] | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            status, _, body = get(self._address, self._path)
            self.answer = status, body
        except Exception as error:
            self.answer = error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
    """The request in flight is answered, idle connections close, nobody new is served, exit status 0."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port, 2), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        idle = socket.create_connection(address, timeout=10)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        idle.recv(4096)
        asking = _Asking(address, "/slow/1.5")
        assert server.slow_requests.acquire(timeout=10)
        gateway.signal(number)
        while idle.recv(4096):
            pass  # its end is what is waited for
        idle.close()
        gateway.wait_for("stopping: 240 seconds for requests in flight")
        wait_until_refused(address)
        assert asking.answer is None
        assert gateway.stopped() == 0
        asking.join(10)
        assert asking.answer == (200, b"/slow/1.5")
        assert len([line for line in gateway.log if "proxy_on_done(1)" in line]) == 2


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """The request in flight is lost."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        asking = _Asking(address, "/slow/15")
        assert server.slow_requests.acquire(timeout=10)
        gateway.signal(signal.SIGTERM)
        gateway.wait_for("stopping")
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 0
        assert time.monotonic() - began < 5
        asking.join(10)
        assert isinstance(asking.answer, Exception)


def test_requests_that_do_not_end_are_cut_off(tmp_path: Path) -> None:
    """After `worker_shutdown_timeout`; the exit status 1 tells of it."""
    more = "nginx_config: {worker_shutdown_timeout: 300ms}\n"
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port, 1, more), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        asking = _Asking(address, "/slow/15")
        assert server.slow_requests.acquire(timeout=10)
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 1
        asking.join(10)
        assert isinstance(asking.answer, Exception)


def test_a_signal_to_all_processes_drains_too(tmp_path: Path) -> None:
    """As systemd sends it to the whole control group."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        asking = _Asking(address, "/slow/1")
        assert server.slow_requests.acquire(timeout=10)
        for process in [gateway.process.pid, *gateway.workers()]:
            os.kill(process, signal.SIGTERM)
        assert gateway.stopped() == 0
        asking.join(10)
        assert asking.answer == (200, b"/slow/1")


def test_a_signal_during_the_start_ends_it(tmp_path: Path) -> None:
    """Even while a plugin takes its time to start."""
    path = configuration(tmp_path, 1)
    looping = plugin("endless_loop")
    path.write_text(
        path.read_text()
        .replace(str(plugin("lifecycle")), f"{looping}, start_timeout: 30s")
        .replace("conf: c", 'conf: \'{"phase": "configure"}\'')
    )
    with running(path, "--listen", "127.0.0.1:0") as gateway:
        _wait_for_workers(gateway, 1)
        time.sleep(1.0)  # it now loops, most likely; what is asserted holds at any time
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 0
        assert time.monotonic() - began < 3


def _wait_for_workers(gateway: GatewayProcess, count: int) -> None:
    end = time.monotonic() + 10
    while len(gateway.workers()) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_workers_that_keep_dying_are_started_ever_more_slowly(tmp_path: Path) -> None:
    """And a signal ends the gateway in the midst of a pause."""
    (tmp_path / "suicidal.py").write_text(
        "import os\nfrom host import PythonFilter\n\nclass Filter(PythonFilter): pass\n\nos._exit(7)\n"
    )
    path = tmp_path / "sluiceway.yaml"
    path.write_text(
        "workers: 1\npython: {path: [.], plugins: [{name: p, priority: 1, class: 'suicidal:Filter'}]}\n"
        "routes: [{uri: /*, plugins: {p: {}}}]\n"
    )
    with running(path, "--listen", "127.0.0.1:0") as gateway:
        lines = gateway.wait_for(r"worker 0 ended \(status 7\); next in", 4)
        assert [line.rpartition("next in ")[2] for line in lines] == ["0.1 s", "0.2 s", "0.4 s", "0.8 s"]
        gateway.wait_for("no worker has come up")
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 0
        assert time.monotonic() - began < 2


def test_a_configuration_that_kills_its_workers_can_be_replaced(tmp_path: Path) -> None:
    """SIGHUP while no worker is up: the next one gets the new configuration."""
    (tmp_path / "suicidal_too.py").write_text("import os\nos._exit(7)\n")
    path = tmp_path / "sluiceway.yaml"
    path.write_text(
        "workers: 1\npython: {path: [.], plugins: [{name: p, priority: 1, class: 'suicidal_too:Filter'}]}\n"
        "routes: [{uri: /*, plugins: {p: {}}}]\n"
    )
    with running(path, "--listen", "127.0.0.1:0") as gateway:
        gateway.wait_for(r"worker 0 ended \(status 7\)", 2)
        path.write_text("workers: 1\nroutes: [{uri: /*, upstream: {nodes: {'127.0.0.1:1': 1}}}]\n")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("serving on")


def test_workers_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """They finish their requests and end; the port is free again."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port, 2), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        workers = gateway.workers()
        asking = _Asking(address, "/slow/1")
        assert server.slow_requests.acquire(timeout=10)
        gateway.signal(signal.SIGKILL)
        wait_until_gone(workers)
        asking.join(10)
        assert asking.answer == (200, b"/slow/1")
        socket.create_server(address).close()


def test_a_worker_is_small(tmp_path: Path) -> None:
    """With one TinyGo plugin under traffic: less than 60 MB resident."""
    with (
        origin() as server,
        running(
            plugin("custom_response_header"),
            "--upstream", f"http://127.0.0.1:{server.server_port}",
            "--conf", '{"headers":[{"name":"x-a","value":"b"}]}',
            "--listen", "127.0.0.1:0",
        ) as gateway,
    ):  # fmt: skip
        address = gateway.serving()
        for _ in range(200):
            assert get(address)[1]["x-a"] == "b"
        (worker,) = gateway.workers()
        status = Path(f"/proc/{worker}/status").read_text()
        resident = int(status.partition("VmRSS:")[2].split()[0]) * 1024
        assert resident < 60_000_000, resident


def test_a_hangup_has_every_worker_take_the_new_configuration(tmp_path: Path) -> None:
    """And a worker that comes later too; what only a restart can change is named."""
    with (
        origin() as server,
        running(configuration(tmp_path, server.server_port, 2), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        more = "nginx_config: {http: {max_headers: 7}}\nlog: {format: json}\n"
        configuration(tmp_path, server.server_port, 2, more, conf="longer")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"worker=[01]: reloaded", 2)
        gateway.wait_for("changed, but taken up by a restart only: http, log")
        gateway.wait_for(r"proxy_on_configure\(2, 6\)", 2)  # on the VMs that serve
        gateway.wait_for(r"proxy_on_delete\(1\)", 2)
        os.kill(gateway.workers()[0], signal.SIGKILL)
        gateway.wait_for("worker 0 is up again")
        gateway.wait_for(r"context=1: proxy_on_configure\(1, 6\)")
        assert get(address)[0] == 200


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("workers", "wrkers"), "wrkers: unknown key; did you mean 'workers'"),
        (lambda text: text.replace(str(plugin("lifecycle")), __file__), "not a WebAssembly module"),
        (
            lambda text: text.replace(str(plugin("lifecycle")), str(plugin("fail_vm_start"))),
            "proxy_on_vm_start",
        ),
    ],
    ids=["keys", "file", "start"],
)
def test_a_hangup_with_a_bad_configuration_changes_nothing(
    tmp_path: Path, change: object, reason: str
) -> None:
    """The log says what is wrong and that the last configuration stays."""
    with (
        origin() as server,
        running(path := configuration(tmp_path, server.server_port, 2), "--listen", "127.0.0.1:0") as gateway,
    ):
        address = gateway.serving()
        workers = gateway.workers()
        path.write_text(change(path.read_text()))  # type: ignore[operator]
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("not reloaded")
        gateway.wait_for(f"error .*{path}:\\d+: .*{reason}")
        assert get(address)[0] == 200
        assert gateway.workers() == workers
        configuration(tmp_path, server.server_port, 2, conf="good")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"worker=[01]: reloaded", 2)
        assert get(address)[0] == 200
