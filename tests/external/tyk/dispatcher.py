"""A dispatcher of Tyk's on grpcio and Google's protobuf, in a process of its own: `python dispatcher.py ADDRESS`.

It prints its port, and then a line of JSON for each object that it is sent. The name of a hook says what is done.
"""

from __future__ import annotations

import importlib
import signal
import sys
import tempfile
import threading
import time
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent


def compiled(name: str) -> Any:
    """A module that Google's compiler makes of coprocess.proto: coprocess_pb2, or coprocess_pb2_grpc."""
    folder = tempfile.mkdtemp()
    options = [f"-I{HERE}", f"--python_out={folder}", f"--grpc_python_out={folder}", "coprocess.proto"]
    assert protoc.main(["protoc", *options]) == 0
    sys.path.insert(0, folder)
    return importlib.import_module(name)


def pre(sent: Any) -> Any:
    """Change what can be changed of a request."""
    request = sent.request
    request.set_headers["X-Pre"] = request.headers.get("X-Sent", "none")
    request.delete_headers.append("X-Sent")
    request.add_params["added"] = "1"
    request.delete_params.append("gone")
    if request.raw_body:
        request.raw_body = request.raw_body.upper()
    return sent


def authenticate(sent: Any) -> Any:
    """Let in who knows the key."""
    if sent.request.headers.get("Authorization") == "abc":
        sent.session.alias = "abc-session"
        sent.session.rate = 1.5
        sent.session.quota_max = 7
        sent.session.tags.append("one")
        sent.session.access_rights["my_api"].versions.append("Default")
        sent.metadata["token"] = "abc"
    return sent


def nobody(sent: Any) -> Any:
    """No session, no answer."""
    return sent


def refuse(sent: Any) -> Any:
    """An error of the hook's own."""
    overrides = sent.request.return_overrides
    overrides.response_code, overrides.response_error = 401, "not you"
    overrides.headers["X-Why"] = "because"
    return sent


def override(sent: Any) -> Any:
    """An answer that looks like an error and is none."""
    overrides = sent.request.return_overrides
    overrides.response_code, overrides.response_body, overrides.override_error = 418, "<tea/>", True
    overrides.headers["Content-Type"] = "text/xml"
    return sent


def alias(sent: Any) -> Any:
    """Tell the upstream whose session it is."""
    sent.request.set_headers["X-Alias"] = sent.session.alias
    sent.request.set_headers["X-Token"] = sent.metadata["token"]
    return sent


def rewrite(sent: Any) -> Any:
    """Another path and method."""
    sent.request.url = "/my_api_name/other?" + sent.request.url.partition("?")[2]
    sent.request.method = "PUT"
    return sent


def add_body(sent: Any) -> Any:
    """Content where there was none."""
    sent.request.method, sent.request.raw_body = "POST", b"added"
    return sent


def response(sent: Any) -> Any:
    """Change a response."""
    told = sent.response
    told.raw_body = told.raw_body.replace(b"http", b"HTTP")
    told.status_code = 203
    told.headers["X-Response"] = sent.session.alias or "nobody"
    told.headers["Set-Cookie"] = "a=1"
    header = told.multivalue_headers.add()
    header.key = "Set-Cookie"
    header.values.extend(["a=1", "b=2"])
    del told.headers["Access-Control-Allow-Origin"]
    return sent


def without(sent: Any) -> Any:
    """An object with nothing in it."""
    return type(sent)()


def bad_header(sent: Any) -> Any:
    """A field that would split the request."""
    sent.request.set_headers["X-A"] = "b\r\nX-C: d"
    return sent


def bad_url(sent: Any) -> Any:
    """A path with a space and a line end."""
    sent.request.url = "/a b\r\n"
    return sent


def hang(sent: Any) -> Any:
    """Answer too late."""
    time.sleep(5)
    return sent


def fail(sent: Any) -> Any:
    """An exception, which grpcio makes UNKNOWN of."""
    raise RuntimeError("broken hook")


def huge(sent: Any) -> Any:
    """More than a gateway takes."""
    sent.request.raw_body = bytes(6_000_000)
    return sent


HOOKS = {
    each.__name__: each
    for each in (
        pre, authenticate, nobody, refuse, override, alias, rewrite, response, without, bad_header, bad_url, hang, add_body,
        fail, huge,
    )
}  # fmt: skip


def main() -> None:
    """Serve until SIGTERM."""
    services = compiled("coprocess_pb2_grpc")

    class Servicer(services.DispatcherServicer):  # type: ignore[misc, name-defined]
        def Dispatch(self, sent: Any, context: grpc.ServicerContext) -> Any:
            print(MessageToJson(sent, indent=None, preserving_proto_field_name=True), flush=True)
            return HOOKS[sent.hook_name](sent)

    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
    services.add_DispatcherServicer_to_server(Servicer(), server)
    port = server.add_insecure_port(sys.argv[1])
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(port, flush=True)
    ended.wait()
    server.stop(None)


if __name__ == "__main__":
    main()
