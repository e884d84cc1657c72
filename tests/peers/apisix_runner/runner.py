"""A runner in Python with the tables of `a6pluginprotos`, that does as APISIX's Python runner does.

Plugins: `stop` answers with its configuration, `rewrite` sends back all fields, the last of several alike, and `raise`
fails. What fails, or has no token that it knows, is answered by a frame of the request's own type with an Err table.
"""

import os
import socketserver
import sys

import flatbuffers
from A6 import TextEntry
from A6.Err import Code
from A6.Err import Resp as ErrResp
from A6.HTTPReqCall import Action, Rewrite, Stop
from A6.HTTPReqCall import Req as CallReq
from A6.HTTPReqCall import Resp as CallResp
from A6.PrepareConf import Req as PrepareReq
from A6.PrepareConf import Resp as PrepareResp

CONFS: dict[int, list[tuple[str, str]]] = {}


def failure(code: int) -> bytes:
    builder = flatbuffers.Builder()
    ErrResp.Start(builder)
    ErrResp.AddCode(builder, code)
    builder.Finish(ErrResp.End(builder))
    return bytes(builder.Output())


def prepare(payload: bytes) -> bytes:
    request = PrepareReq.Req.GetRootAs(payload)
    if not request.ConfLength():
        return failure(Code.Code.BAD_REQUEST)
    conf = [request.Conf(index) for index in range(request.ConfLength())]
    token = len(CONFS) + 1
    CONFS[token] = [(entry.Name().decode(), entry.Value().decode()) for entry in conf]
    builder = flatbuffers.Builder()
    PrepareResp.Start(builder)
    PrepareResp.AddConfToken(builder, token)
    builder.Finish(PrepareResp.End(builder))
    return bytes(builder.Output())


def entries(builder: flatbuffers.Builder, values: dict[bytes, bytes], start: object) -> int:
    places = []
    for name, value in values.items():
        name_at, value_at = builder.CreateString(name), builder.CreateString(value)
        TextEntry.Start(builder)
        TextEntry.AddName(builder, name_at)
        TextEntry.AddValue(builder, value_at)
        places.append(TextEntry.End(builder))
    start(builder, len(places))  # type: ignore[operator]
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return builder.EndVector()


def call(payload: bytes) -> bytes:
    request = CallReq.Req.GetRootAs(payload)
    if request.ConfToken() not in CONFS:
        return failure(Code.Code.CONF_TOKEN_NOT_FOUND)
    builder = flatbuffers.Builder()
    kind, action = Action.Action.NONE, 0
    for name, value in CONFS[request.ConfToken()]:
        if name == "raise":
            return failure(Code.Code.SERVICE_UNAVAILABLE)
        arguments = [request.Args(index) for index in range(request.ArgsLength())]
        headers = {}
        for index in range(request.HeadersLength()):
            headers[request.Headers(index).Name()] = request.Headers(index).Value()
        if name == "stop":
            text = value.encode() + b"".join(b" " + each.Name() + b"=" + each.Value() for each in arguments)
            body = builder.CreateByteVector(text)
            Stop.Start(builder)
            Stop.AddBody(builder, body)
            kind, action = Action.Action.Stop, Stop.End(builder)
        else:
            headers[b"x-python"] = value.encode()
            fields = entries(builder, headers, Rewrite.StartHeadersVector)
            Rewrite.Start(builder)
            Rewrite.AddHeaders(builder, fields)
            kind, action = Action.Action.Rewrite, Rewrite.End(builder)
    CallResp.Start(builder)
    CallResp.AddId(builder, request.Id())
    CallResp.AddActionType(builder, kind)
    CallResp.AddAction(builder, action)
    builder.Finish(CallResp.End(builder))
    return bytes(builder.Output())


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while header := self.rfile.read(4):
            payload = self.rfile.read(int.from_bytes(header[1:], "big"))
            answer = prepare(payload) if header[0] == 1 else call(payload)
            self.wfile.write(header[:1] + len(answer).to_bytes(3, "big") + answer)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


path = os.environ["APISIX_LISTEN_ADDRESS"].removeprefix("unix:")
if os.path.exists(path):
    os.unlink(path)
print("listening on", path, file=sys.stderr)
Server(path, Handler).serve_forever()
