"""Kong's plugin protocol over MessagePack-RPC: go-pluginserver, and the plugin servers of Python and JavaScript.

An event is a ladder of calls: HandleEvent answers with what the plugin asks for, and each Step brings the answer and
asks for more. https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgpack

from host.external.connection import PeerConnection
from host.external.kong.channel import Answers, Call, Channel
from host.external.kong.errors import BadReply, InstanceLost, Refused
from host.external.kong.pdk.errors import PdkError

_REQUEST, _RESPONSE, _NOTIFICATION = 0, 1, 2

_STEPS: Final = {
    "kong.client.authenticate": "plugin.StepCredential",
    "kong.client.get_consumer": "plugin.StepConsumer",
    "kong.client.get_credential": "plugin.StepCredential",
    "kong.client.load_consumer": "plugin.StepConsumer",
    "kong.node.get_memory_stats": "plugin.StepMemoryStats",
    "kong.request.get_headers": "plugin.StepMultiMap",
    "kong.request.get_query": "plugin.StepMultiMap",
    "kong.response.get_headers": "plugin.StepMultiMap",
    "kong.router.get_route": "plugin.StepRoute",
    "kong.router.get_service": "plugin.StepService",
    "kong.service.response.get_headers": "plugin.StepMultiMap",
}
"""Methods whose results have a type of their own in Go."""

_STEP, _STEP_ERROR, _MULTI_MAP = "plugin.Step", "plugin.StepError", "plugin.StepMultiMap"


class MessagePackChannel(Channel):
    """A connection with its numbers of messages."""

    def __init__(self, connection: PeerConnection, max_message_size: int) -> None:
        super().__init__(connection)
        self._max = max_message_size
        self._last = 0
        self._pack = msgpack.Packer(default=str).pack
        self._unpacker = self._new_unpacker()

    def _new_unpacker(self) -> msgpack.Unpacker:
        return msgpack.Unpacker(
            read_size=min(self._max, 64 * 1024),
            max_buffer_size=self._max,
            strict_map_key=False,
            unicode_errors="surrogateescape",
        )

    def request(self, method: str, argument: Any) -> bytes:
        """Return a request with one argument, and note its number."""
        self._last += 1
        message = [_REQUEST, self._last, method, [argument]]
        try:
            return self._pack(message)  # type: ignore[no-any-return]
        except UnicodeEncodeError:  # text that was no UTF-8: the peers' readers refuse it as text
            return self._pack(_plain(message))  # type: ignore[no-any-return]

    def results(self, data: bytes) -> list[Any]:
        """Return the results that have come: of one request at most. Raises BadReply, Refused, InstanceLost."""
        try:
            self._unpacker.feed(data)
            messages = list(self._unpacker)
        except Exception as error:  # BufferFull, FormatError, StackError, and what keys may raise
            raise BadReply(f"it sent no MessagePack of at most {self._max} bytes: {error!r}") from error
        results: list[Any] = []
        for message in messages:
            if not isinstance(message, list) or not message:
                raise BadReply(f"it sent no message of MessagePack-RPC: {message!r:.100}")
            if message[0] == _NOTIFICATION and len(message) == 3:
                continue  # serverPid, as go-pluginserver begins each connection: the socket has told more than that
            if len(message) != 4 or message[0] != _RESPONSE:
                raise BadReply(f"it sent no message of MessagePack-RPC: {message!r:.100}")
            if message[1] != self._last or results or self._call is None:
                raise BadReply(f"it answered request {message[1]!r:.20}, not {self._last}")
            if message[2] is not None:
                error_text = str(message[2])
                lost = "no plugin instance" in error_text.lower()
                raise InstanceLost(error_text) if lost else Refused(error_text)
            results.append(message[3])
        return results

    def unasked(self, data: bytes) -> None:
        """Notifications may come at any time."""
        try:
            self.results(data)
        except Exception:
            super().unasked(data)


def _plain(value: Any) -> Any:
    """The value with bytes in the place of text that is no UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogateescape")
        return value
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


class PlainCall(Call):
    """A request and its result. Raises what `MessagePackChannel.results` does."""

    def __init__(self, channel: MessagePackChannel, method: str, argument: Any) -> None:
        super().__init__()
        self._messages = channel
        self._method, self._argument = method, argument

    def opening(self) -> bytes:
        """The request."""
        return self._messages.request(self._method, self._argument)

    def received(self, data: bytes) -> None:
        """The result."""
        for result in self._messages.results(data):
            self.finish(result)


class EventCall(PlainCall):
    """An event: the plugin's handler runs, and calls the PDK's methods."""

    def __init__(self, channel: MessagePackChannel, instance: int, phase: str, pdk: Answers) -> None:
        super().__init__(channel, "plugin.HandleEvent", {"InstanceId": instance, "EventName": phase})
        self._pdk = pdk
        self._event: Any = None
        self._asked = ""

    def received(self, data: bytes) -> None:
        """The plugin is done, or asks for something."""
        for result in self._messages.results(data):
            if not isinstance(result, dict) or "Data" not in result:
                raise BadReply(f"it answered an event with {result!r:.100}")
            if not self.callbacks:
                self._event = result.get("EventId")
            elif result.get("EventId") != self._event:
                raise BadReply(
                    f"it answered for event {result.get('EventId')!r:.20}, not {self._event!r:.20}"
                )
            asked = result["Data"]
            if asked == "ret":
                self.finish()
            elif isinstance(asked, dict):
                self._ask(asked.get("Method"), asked.get("Args"))
            else:
                raise BadReply(f"it answered an event with {asked!r:.100}")

    def _ask(self, method: Any, arguments: Any) -> None:
        if not isinstance(method, str) or not isinstance(arguments, list | tuple | None):
            raise BadReply(f"it asked for {method!r:.60} with {arguments!r:.60}")
        self.counted()
        self._asked = method
        try:
            value = self._pdk.call(method, list(arguments or ()))
        except PdkError as error:
            self.answer(None, error)
            return
        if self._pdk.is_over:
            self.finish()
        elif asyncio.iscoroutine(value):
            self.later(value)
        else:
            self.answer(value, None)

    def answer(self, value: Any, error: Exception | None) -> None:
        """Step on with a result, or with an error."""
        if self._pdk.is_over:
            self.finish()
            return
        if error is not None:
            step, value = _STEP_ERROR, str(error)
        else:
            step = _STEPS.get(self._asked, _STEP)
            if step is _MULTI_MAP:
                value = _multi_map(value)
            elif value is None and step is not _STEP:
                value = {}
        self.write(self._messages.request(step, {"EventId": self._event, "Data": value}))


def _multi_map(values: dict[str, Any] | None) -> dict[str, list[str]]:
    """Each name with a list: Go's type has nothing else. An argument without a value has an empty one."""
    return {
        name: value if isinstance(value, list) else [] if value is True else [value]
        for name, value in (values or {}).items()
    }


class MessagePack:
    """The dialect `MsgPack:1`."""

    def __init__(self, max_message_size: int) -> None:
        """`max_message_size`: bytes of one message of the server."""
        self._max = max_message_size

    def new_channel(self, connection: PeerConnection) -> Channel:
        """Return what speaks the dialect on a connection."""
        return MessagePackChannel(connection, self._max)

    def start_instance(self, channel: Channel, plugin: str, configuration: bytes, _: int) -> Call:
        """Return the call that makes an instance; its result is for `instance_of`."""
        assert isinstance(channel, MessagePackChannel)
        # As text: it is JSON, and what decodes it in Python takes text and bytes, in Go both as bytes.
        return PlainCall(channel, "plugin.StartInstance", {"Name": plugin, "Config": configuration.decode()})

    def instance_of(self, result: Any) -> int:
        """Return the number of the instance that was started. Raises BadReply."""
        number = result.get("Id") if isinstance(result, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise BadReply(f"it answered StartInstance with {result!r:.100}")
        return number

    def instance_status(self, channel: Channel, instance: int) -> Call:
        """Return the call that asks for an instance."""
        assert isinstance(channel, MessagePackChannel)
        return PlainCall(channel, "plugin.InstanceStatus", instance)

    def close_instance(self, channel: Channel, instance: int) -> Call:
        """Return the call that ends an instance."""
        assert isinstance(channel, MessagePackChannel)
        return PlainCall(channel, "plugin.CloseInstance", instance)

    def event(self, channel: Channel, instance: int, phase: str, pdk: Answers) -> Call:
        """Return the call that has a plugin handle an event."""
        assert isinstance(channel, MessagePackChannel)
        return EventCall(channel, instance, phase, pdk)
