"""A real gRPC server (grpcio, C core) for the tests, in a process of its own: `python server.py` prints its port.

Messages are bytes; methods are of the service `test.Echo`. With `--tls CERT KEY` it speaks TLS.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc


def unary(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Echo, with metadata of both kinds that shows what came."""
    seen = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", str(seen.get("x-test", ""))),))
    context.set_trailing_metadata((("x-trailing", str(context.time_remaining() is not None)),))
    return b"echo:" + request


def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
    """End with a status and a message that has to be encoded."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: 100% sure, ä")


def count(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """As many messages as the request says."""
    for number in range(int(request)):
        yield b"%d" % number


def chat(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answer each message at once."""
    for request in requests:
        yield b"re:" + request
    yield b"bye"


def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Answer never, or when the caller has gone."""
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(20)
    print("hang ended", flush=True)
    return b""


def huge(request: bytes, context: grpc.ServicerContext) -> bytes:
    """A message of as many bytes as the request says."""
    return b"x" * int(request)


def sink(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """Count what comes."""
    return b"%d" % sum(len(request) for request in requests)


def slow(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Echo after a while."""
    time.sleep(0.3)
    return request


class Handlers(grpc.GenericRpcHandler):
    """All methods; grpcio answers UNIMPLEMENTED for others."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return {
            "/test.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/test.Echo/Refuse": grpc.unary_unary_rpc_method_handler(refuse),
            "/test.Echo/Hang": grpc.unary_unary_rpc_method_handler(hang),
            "/test.Echo/Huge": grpc.unary_unary_rpc_method_handler(huge),
            "/test.Echo/Slow": grpc.unary_unary_rpc_method_handler(slow),
            "/test.Echo/Count": grpc.unary_stream_rpc_method_handler(count),
            "/test.Echo/Chat": grpc.stream_stream_rpc_method_handler(chat),
            "/test.Echo/Sink": grpc.stream_unary_rpc_method_handler(sink),
        }.get(details.method)


def main() -> None:
    """Serve until SIGTERM."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=(Handlers(),), options=options)
    if sys.argv[1:2] == ["--tls"]:
        cert, key = (Path(path).read_bytes() for path in sys.argv[2:4])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(port, flush=True)
    ended.wait()
    server.stop(None)


main()
