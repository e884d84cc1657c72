"""Filters for shadows and for what they are compared with."""

from __future__ import annotations

import json
from typing import Any

from host import Action, FilterContext, PythonFilter
from host.external.filter import RequestFilter
from host.external.message import HeldMessage


class Scripted(PythonFilter):
    """Does what its configuration says: fields to set, an answer, a body in place of the other."""

    def __init__(self, configuration: bytes = b"{}") -> None:
        super().__init__(configuration)
        self.script: dict[str, Any] = json.loads(configuration)

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        for name, value in self.script.get("request", {}).items():
            context.request_headers.set(name.encode(), value.encode())
        if "fail" in self.script:
            raise KeyError("x")
        if "answer" in self.script:
            context.respond(self.script["answer"], body=self.script.get("text", "").encode())
            return Action.PAUSE
        return Action.PAUSE if "hang" in self.script else None

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> None:
        if (body := self.script.get("body")) is not None:
            context.request_body = body.encode() if end_of_stream else b""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        for name, value in self.script.get("response", {}).items():
            context.response_headers.set(name.encode(), value.encode())

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> None:
        if (body := self.script.get("response_body")) is not None:
            context.response_body = body.encode() if end_of_stream else b""


class Late(RequestFilter):
    """Sets a field after a turn of the loop, as external plugins do."""

    async def request(self, message: HeldMessage) -> None:
        message.context.request_headers.set(b"x-a", b"1")
