"""What a hook of Tyk's costs that a dispatcher carries out: our client and messages beside grpcio's and Google's.

python -m bench.dispatcher     needs the extra `dev`; the server is grpcio's, in a process of its own
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from host.callouts.unary import GrpcServer
from host.external.tyk.messages import OBJECT
from host.plugin.targets import parse_address
from tests.external.tyk.dispatcher import compiled
from tests.grpc.servers import grpc_server

CALLS = 4000
TOLD: dict[str, Any] = {
    "hook_type": 1,
    "hook_name": "hook",
    "spec": {"OrgID": "org", "APIID": "api", "config_data": "{}"},
    "request": {
        "headers": {f"X-Header-{number}": f"value {number}" for number in range(8)},
        "url": "/my_api/get?a=1",
        "request_uri": "/my_api/get?a=1",
        "method": "GET",
        "scheme": "http",
        "params": {"a": "1"},
        "return_overrides": {"response_code": -1},
    },
}
MESSAGE = OBJECT.write(TOLD)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _each(work: Callable[[], object]) -> float:
    """CPU of one, in microseconds: the best of five rounds."""
    rounds = []
    for _ in range(5):
        began = _cpu()
        for _ in range(CALLS):
            work()
        rounds.append((_cpu() - began) / CALLS * 1e6)
    return min(rounds)


def _googles() -> tuple[Callable[[], object], Callable[[], object]]:
    kind = compiled("coprocess_pb2").Object
    told = TOLD["request"]

    def write() -> None:
        made = kind(hook_type=1, hook_name="hook", spec=TOLD["spec"])
        request = made.request
        request.headers.update(told["headers"])
        request.url = request.request_uri = told["url"]
        request.method, request.scheme = told["method"], told["scheme"]
        request.params.update(told["params"])
        request.return_overrides.response_code = -1
        made.SerializeToString()

    return write, lambda: kind.FromString(MESSAGE)


async def _calls(call: Callable[[], Awaitable[object]], at_once: int) -> tuple[float, float]:
    """CPU and time of one call in microseconds."""

    async def some(count: int) -> None:
        for _ in range(count):
            await call()

    await some(50)
    cpu, began = _cpu(), time.perf_counter()
    await asyncio.gather(*(some(CALLS // at_once) for _ in range(at_once)))
    return (_cpu() - cpu) / CALLS * 1e6, (time.perf_counter() - began) / CALLS * 1e6


async def _ours(port: int, at_once: int) -> tuple[float, float]:
    server = GrpcServer(parse_address(f"127.0.0.1:{port}"), receive_limit=1 << 22, send_limit=1 << 22)
    return await _calls(lambda: server.call("test.Echo", "Unary", MESSAGE, 10.0), at_once)


async def _grpcio(port: int, at_once: int) -> tuple[float, float]:
    import grpc

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/test.Echo/Unary")
        return await _calls(lambda: call(MESSAGE, timeout=10), at_once)


def main() -> int:
    """Print the table."""
    write, read = _googles()
    print("| a message of eight fields | ours, us | Google's, us |\n|---|---|---|")
    print(f"| written | {_each(lambda: OBJECT.write(TOLD)):.1f} | {_each(write):.1f} |")
    print(f"| read | {_each(lambda: OBJECT.read(MESSAGE)):.1f} | {_each(read):.1f} |\n")
    print("| calls at once | client | CPU, us/call | time, us/call |\n|---|---|---|---|")
    with grpc_server() as port:
        for at_once in (1, 16):
            for name, client in (("ours", _ours), ("grpcio", _grpcio)):
                cpu, took = uvloop.run(client(port, at_once))
                print(f"| {at_once} | {name} | {cpu:.0f} | {took:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
