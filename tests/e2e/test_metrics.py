"""Metrics of a whole gateway: over workers, over their deaths, over HTTP."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from host import config as configs
from host.errors import ListenError
from host.metrics.server import MetricsServer
from host.proxy import Proxy
from tests.e2e.process import get, origin, running
from tests.plugin.guests import wat

URI = "/apisix/prometheus/metrics"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def configuration(folder: Path, upstream: int, port: int | None, workers: int = 1) -> str:
    """One route through a plugin that counts requests."""
    (folder / "counting.wasm").write_bytes(wat("counting"))
    metrics = f"plugin_attr: {{prometheus: {{export_addr: {{port: {port}}}}}}}\n" if port is not None else ""
    return (
        f"workers: {workers}\n{metrics}"
        f"wasm: {{plugins: [{{name: counting, priority: 1, file: {folder / 'counting.wasm'}}}]}}\n"
        f'routes: [{{uri: /a*, upstream: {{nodes: {{"127.0.0.1:{upstream}": 1}}}}, '
        f"plugins: {{counting: {{conf: x}}}}}}]\n"
    )


def value(text: str, series: str) -> float:
    """The value of one series."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])


def scraped(port: int, path: str = URI) -> str:
    """What Prometheus gets."""
    status, fields, body = get(("127.0.0.1", port), path)
    assert (status, fields["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return body.decode()


def wait_for(port: int, series: str, wanted: float, seconds: float = 5.0) -> None:
    """Scrape until the series has this value."""
    end = time.monotonic() + seconds
    while value(scraped(port), series) != wanted:
        assert time.monotonic() < end, scraped(port)
        time.sleep(0.02)


def test_workers_count_together_and_a_killed_one_takes_nothing_with_it(tmp_path: Path) -> None:
    """Every request that was answered is counted, though workers are killed in between."""
    path, port = tmp_path / "c.yaml", free_port()
    with origin() as server:
        path.write_text(configuration(tmp_path, server.server_port, port, workers=2))
        with running(path) as gateway:
            address = gateway.serving()
            answered = 0
            for round_ in range(3):
                for _ in range(10):
                    assert get(address, "/a")[0] == 200
                    answered += 1
                wait_for(
                    port, 'sluiceway_http_requests_total{code="2xx"}', answered
                )  # counted behind the answer
                os.kill(gateway.workers()[0], signal.SIGKILL)
                gateway.wait_for(r"worker \d is up again", round_ + 1)
                assert value(scraped(port), "wasmcustom_hits") == answered
            text = scraped(port)
            assert value(text, "sluiceway_worker_restarts_total") == 3
            assert value(text, "sluiceway_workers") == 2
            assert value(text, 'sluiceway_http_requests_total{code="2xx"}') == answered
            assert value(text, "sluiceway_http_request_duration_milliseconds_count") == answered


def test_only_its_own_path_and_methods_are_served(tmp_path: Path) -> None:
    """The address is for metrics alone; it survives bytes that are no HTTP."""
    path, port = tmp_path / "c.yaml", free_port()
    path.write_text(configuration(tmp_path, 1, port))
    with running(path) as gateway:
        address = gateway.serving()
        assert get(("127.0.0.1", port), "/")[0] == 404
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"POST /apisix/prometheus/metrics HTTP/1.0\r\n\r\n")
            assert b" 501 " in connection.recv(4096)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"\0\xff garbage\r\n\r\n")
            connection.recv(4096)
        assert get(address, "/none")[0] == 404
        assert value(scraped(port, f"{URI}?name=x"), 'sluiceway_http_requests_total{code="4xx"}') == 1


def test_without_the_key_nothing_listens(tmp_path: Path) -> None:
    """Off unless it is asked for."""
    path = tmp_path / "c.yaml"
    path.write_text(configuration(tmp_path, 1, None))
    with running(path) as gateway:
        gateway.serving()
        listening = Path(f"/proc/{gateway.process.pid}/net/tcp").read_text()
        assert f"0100007F:{9091:04X}" not in listening


def test_an_address_in_use_is_said_at_the_start(tmp_path: Path) -> None:
    """As for the addresses of clients: exit status 1, and why."""
    path = tmp_path / "c.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(configuration(tmp_path, 1, port))
        with running(path) as gateway:
            assert gateway.stopped() == 1
            assert gateway.has(f"cannot listen on 127.0.0.1:{port} for metrics: Address already in use")


def test_an_embedded_gateway_serves_its_metrics_and_gives_them_as_text(tmp_path: Path) -> None:
    """Without a supervisor the proxy does both itself."""

    async def run() -> tuple[str, str]:
        with origin() as server:
            config = configs.loads(configuration(tmp_path, server.server_port, free_port()))
            async with Proxy(listening(config)) as proxy:
                status, _, _ = await asyncio.to_thread(get, proxy.address, "/a")
                assert status == 200
                assert proxy.metrics_address is not None
                served = await asyncio.to_thread(scraped, proxy.metrics_address[1])
                return proxy.metrics(), served

    text, served = asyncio.run(run())
    for each in (text, served):
        assert value(each, "wasmcustom_hits") == 1
    assert value(text, 'sluiceway_plugin_contexts{plugin="counting"}') == 2  # the spare VM's too
    assert value(text, 'sluiceway_plugin_memory_bytes{plugin="counting"}') == 2 * 65536


VMS = 'sluiceway_plugin_vms{plugin="counting"}'


def test_the_number_of_vms_goes_up_and_down_again(tmp_path: Path) -> None:
    """EC WasmVmCountGauge: with the plugin gone from the configuration its VMs are."""

    async def until(proxy: Proxy, vms: int) -> None:
        async with asyncio.timeout(10):
            while value(proxy.metrics(), VMS) != vms:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def run() -> str:
        with origin() as server:
            text = configuration(tmp_path, server.server_port, free_port())
            async with Proxy(listening(configs.loads(text))) as proxy:
                await until(proxy, 2)  # one serves, one stands by, when it is built
                route = (
                    f'routes: [{{uri: /a*, upstream: {{nodes: {{"127.0.0.1:{server.server_port}": 1}}}}}}]'
                )
                await proxy.reload(listening(configs.loads(text[: text.index("wasm:")] + route)))
                await until(proxy, 0)
                return proxy.metrics()

    after = asyncio.run(run())
    assert value(after, 'sluiceway_plugin_memory_bytes{plugin="counting"}') == 0


def listening(config: configs.Config) -> configs.Config:
    """On a port that the system chooses."""
    return dataclasses.replace(config, listen=(configs.Listen("127.0.0.1", 0),))


def test_slow_clients_do_not_keep_others_out() -> None:
    """Each has a thread for some seconds, and there are not many."""
    server = MetricsServer("127.0.0.1", 0, "/m", lambda: "x 1\n")
    server.start()
    silent = [socket.create_connection(server.address) for _ in range(10)]
    try:
        began = time.monotonic()
        assert get(server.address, "/m")[2] == b"x 1\n"
        assert time.monotonic() - began < 3
    finally:
        for each in silent:
            each.close()
        server.close()


def test_too_many_clients_are_turned_away() -> None:
    """A thread each would be a way to exhaust the supervisor."""
    server = MetricsServer("127.0.0.1", 0, "/m", lambda: "x 1\n")
    server.start()
    silent = [socket.create_connection(server.address) for _ in range(16)]
    try:
        with pytest.raises(ConnectionError):  # until all sixteen have been accepted, some may be served
            all(get(server.address, "/m", timeout=5) for _ in range(20))
    finally:
        for each in silent:
            each.close()
        server.close()


def test_an_address_that_cannot_be_had_is_a_listen_error() -> None:
    """With the address and the reason."""
    with pytest.raises(ListenError, match=re.escape("cannot listen on 192.0.2.1:1 for metrics")):
        MetricsServer("192.0.2.1", 1, "/m", str)
