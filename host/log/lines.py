"""Structured lines: our own through `logging`, plugins' through a short cut."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final, Literal

from host.log.text import cut, field, json_text, json_value, printable
from host.log.writer import Writer

Format = Literal["text", "json"]

MAX_MESSAGE_SIZE: Final = 8 * 1024
"""Characters of a message that are written; the rest is counted."""

PLUGIN_LEVELS: Final = ("trace", "debug", "info", "warn", "error", "critical")
"""Names by `proxy_log_level_t` (Proxy-Wasm ABI, "Log levels")."""

_PADDED_LEVELS: Final = tuple(f"{name:<8}" for name in PLUGIN_LEVELS)
_OWN_LEVELS: Final = {"WARNING": "warn"}

PluginLine = tuple[int, bytes]
"""A level of `PLUGIN_LEVELS` by index, and the message as the guest gave it."""


class Log:
    """Makes lines and hands them to a writer."""

    def __init__(self, writer: Writer, form: Format = "text") -> None:
        self._writer = writer
        self._form = form
        self._told_dropped = 0
        self._telling = False
        self._second = -1
        self._second_text = ""

    def plugin_lines(self, plugin: str, context: int, request: str, lines: Iterable[PluginLine]) -> None:
        """Write what a plugin logged in one callback: one head for all, no `logging` record for each.

        `context`: the context id of the callback. `request`: the request's id, "" outside of one.
        """
        try:
            stamp = self._timestamp(time.time())
            texts = _texts(lines)
            if self._form == "json":
                head = f'{{"time": "{stamp}", "level": "'
                middle = f'", "plugin": {json_text(plugin)}, "context": {context}, '
                middle += f'"request": {json_text(request)}, "message": ' if request else '"message": '
                made = [f"{head}{PLUGIN_LEVELS[level]}{middle}{json_text(text)}}}\n" for level, text in texts]
            else:
                middle = f" plugin={field(plugin)} context={context}"
                middle += f" request={field(request)}: " if request else ": "
                names = _PADDED_LEVELS
                if _is_plain(texts):
                    made = [f"{stamp} {names[level]}{middle}{text}\n" for level, text in texts]
                else:
                    made = [f"{stamp} {names[level]}{middle}{printable(text)}\n" for level, text in texts]
            self._write("".join(made))
        except Exception as error:
            self._say_lost(error)

    def line(self, level: str, message: str, fields: Mapping[str, Any], seconds: float) -> None:
        """Write one line of our own; `seconds` since the epoch is its time."""
        try:
            stamp = self._timestamp(seconds)
            message = cut(message, MAX_MESSAGE_SIZE * 4)  # a traceback is long
            if self._form == "json":
                pairs = {"time": stamp, "level": level, **fields, "message": message}
                inner = ", ".join(
                    f"{encode_basestring(key)}: {json_value(value)}" for key, value in pairs.items()
                )
                text = "{" + inner + "}\n"
            else:
                named = "".join(f" {key}={field(str(value))}" for key, value in fields.items())
                text = f"{stamp} {level:<8}{named}: {printable(message)}\n"
            self._write(text)
        except Exception as error:
            self._say_lost(error)

    def _write(self, text: str) -> None:
        self._writer.write(text.encode("utf-8", "backslashreplace"))
        dropped = self._writer.dropped
        if dropped != self._told_dropped and not self._telling:
            self._telling = True  # line() comes back here
            self.line(
                "warn", "log lines were dropped", {"logger": __package__, "dropped": dropped}, time.time()
            )
            self._telling = False
            # That line may have been dropped as well: then the next one says it.
            if self._writer.dropped == dropped:
                self._told_dropped = dropped

    @property
    def dropped(self) -> int:
        """How many lines were given up so far."""
        return self._writer.dropped

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until all lines are written, `timeout` seconds at most; return whether they are."""
        return self._writer.flush(timeout)

    def _say_lost(self, error: Exception) -> None:
        self._writer.write(f"a log line was lost: {type(error).__name__}\n".encode())

    def _timestamp(self, seconds: float) -> str:
        """RFC 3339 in UTC with milliseconds; the text up to the second is made once a second."""
        whole = int(seconds)
        if whole != self._second:
            self._second = whole
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return f"{self._second_text}.{int((seconds - whole) * 1000):03}Z"


class Handler(logging.Handler):
    """Brings `logging` records to a `Log`. `extra={"fields": {…}}` of a record are its fields."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; a traceback goes into the field `exception`, or, as text, after the message."""
        try:
            message = record.getMessage()
            fields = {"logger": record.name, **getattr(record, "fields", {})}
            if record.exc_info and record.exc_info[0] is not None:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
        except Exception as error:
            message, fields = (
                f"a log record could not be formatted: {type(error).__name__}",
                {"logger": record.name},
            )
        level = _OWN_LEVELS.get(record.levelname, record.levelname.lower())
        self._log.line(level, message, fields, record.created)


def setup(level: str = "info", form: Format = "text", descriptor: int = 2) -> Log:
    """Send all `logging` records of at least the level to the descriptor, and return the Log.

    Called again, it replaces what it set up before. `level`: debug, info, warning or error.
    """
    log = Log(Writer(descriptor), form)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Handler)]:
        root.removeHandler(handler)
    root.addHandler(Handler(log))
    root.setLevel(level.upper())
    logging.raiseExceptions = False
    return log


def _texts(lines: Iterable[PluginLine]) -> list[tuple[int, str]]:
    """Return the lines as text, cut at the limit. Bytes that are not UTF-8 become U+FFFD."""
    return [(level, cut(message.decode("utf-8", "replace"), MAX_MESSAGE_SIZE)) for level, message in lines]


def _is_plain(texts: list[tuple[int, str]]) -> bool:
    """Return whether no text needs escaping; one look at all of them costs a tenth of one at each."""
    joined = "".join([text for _, text in texts])
    return joined.isprintable() and "\\" not in joined
