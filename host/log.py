"""Structured logs on standard error: our own lines through `logging`, plugins' lines through a short cut.

A line is for people (`text`) or a JSON object (`json`); both are made here and nowhere else. What plugins and peers say
is untrusted: nothing that is not printable reaches the stream, and nothing can begin a line of its own. Writing is a
thread's work, so that a standard error that nobody reads, or that is closed, stops no request: what does not fit in
the queue is dropped and counted. Nothing here raises into its caller.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring  # the C function that json.dumps uses for texts
from typing import Any, Final, Literal

Format = Literal["text", "json"]

MAX_MESSAGE_SIZE: Final = 8 * 1024
"""Characters of a message that are written; the rest is counted."""

MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
"""Lines that wait for a standard error that does not read; a burst of 20,000 plugin lines fits."""

PLUGIN_LEVELS: Final = ("trace", "debug", "info", "warn", "error", "critical")
"""Names by `proxy_log_level_t` (Proxy-Wasm ABI, "Log levels")."""

_PADDED_LEVELS: Final = tuple(f"{name:<8}" for name in PLUGIN_LEVELS)
_OWN_LEVELS: Final = {"WARNING": "warn"}

PluginLine = tuple[int, bytes]
"""A level of `PLUGIN_LEVELS` by index, and the message as the guest gave it."""


class Writer:
    """Writes to a file descriptor from a thread of its own, which the first line starts in each process.

    `dropped` counts the lines that were given up.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, data: bytes) -> None:
        """Queue lines; over `MAX_QUEUED_BYTES` they are dropped and counted."""
        with self._lock:
            if self._queued + len(data) > MAX_QUEUED_BYTES:
                self.dropped += data.count(b"\n")
                return
            self._queued += len(data)
            self._queue.append(data)
            self._idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Wait until all is written, `timeout` seconds at most; return whether it is."""
        return self._thread is None or self._idle.wait(timeout)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                data = b"".join([self._queue.popleft() for _ in range(len(self._queue))])
                self._write_all(data)
                with self._lock:
                    self._queued -= len(data)
                    if not self._queue:
                        self._idle.set()

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # somebody made the stream non-blocking; it is full
                time.sleep(0.01)
            except OSError:  # closed, or its reader is gone: there is nobody to tell
                self.dropped += bytes(view).count(b"\n")
                return


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
                middle = f'", "plugin": {_json_text(plugin)}, "context": {context}, '
                middle += f'"request": {_json_text(request)}, "message": ' if request else '"message": '
                made = [
                    f"{head}{PLUGIN_LEVELS[level]}{middle}{_json_text(text)}}}\n" for level, text in texts
                ]
            else:
                middle = f" plugin={_field(plugin)} context={context}"
                middle += f" request={_field(request)}: " if request else ": "
                names = _PADDED_LEVELS
                if _is_plain(texts):
                    made = [f"{stamp} {names[level]}{middle}{text}\n" for level, text in texts]
                else:
                    made = [f"{stamp} {names[level]}{middle}{_printable(text)}\n" for level, text in texts]
            self._write("".join(made))
        except Exception as error:
            self._say_lost(error)

    def line(self, level: str, message: str, fields: Mapping[str, Any], seconds: float) -> None:
        """Write one line of our own; `seconds` since the epoch is its time."""
        try:
            stamp = self._timestamp(seconds)
            message = _cut(message, MAX_MESSAGE_SIZE * 4)  # a traceback is long
            if self._form == "json":
                pairs = {"time": stamp, "level": level, **fields, "message": message}
                inner = ", ".join(
                    f"{encode_basestring(key)}: {_json_value(value)}" for key, value in pairs.items()
                )
                text = "{" + inner + "}\n"
            else:
                named = "".join(f" {key}={_field(str(value))}" for key, value in fields.items())
                text = f"{stamp} {level:<8}{named}: {_printable(message)}\n"
            self._write(text)
        except Exception as error:
            self._say_lost(error)

    def _write(self, text: str) -> None:
        self._writer.write(text.encode("utf-8", "backslashreplace"))
        dropped = self._writer.dropped
        if dropped != self._told_dropped and not self._telling:
            self._telling = True  # line() comes back here
            self.line("warn", "log lines were dropped", {"logger": __name__, "dropped": dropped}, time.time())
            self._telling = False
            # That line may have been dropped as well: then the next one says it.
            if self._writer.dropped == dropped:
                self._told_dropped = dropped

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


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more)"


def _printable(text: str) -> str:
    """Return the text on one line: what is not printable, and the backslash, escaped."""
    # A space is printable; line ends, controls, terminal escapes and marks of direction are not.
    if text.isprintable() and "\\" not in text:
        return text
    return "".join([c if c.isprintable() and c != "\\" else _escape(c) for c in text])


def _escape(character: str) -> str:
    return "\\\\" if character == "\\" else ascii(character)[1:-1]


def _texts(lines: Iterable[PluginLine]) -> list[tuple[int, str]]:
    """Return the lines as text, cut at the limit. Bytes that are not UTF-8 become U+FFFD."""
    return [(level, _cut(message.decode("utf-8", "replace"), MAX_MESSAGE_SIZE)) for level, message in lines]


def _is_plain(texts: list[tuple[int, str]]) -> bool:
    """Return whether no text needs escaping; one look at all of them costs a tenth of one at each."""
    joined = "".join([text for _, text in texts])
    return joined.isprintable() and "\\" not in joined


def _json_text(text: str) -> str:
    quoted = encode_basestring(text)
    if quoted.isprintable():
        return quoted
    # JSON itself lets DEL, U+0085 and the like through; a terminal that shows the line must not act on them.
    return "".join([c if c.isprintable() else _json_escape(c) for c in quoted])


def _json_escape(character: str) -> str:
    return "".join(
        f"\\u{unit:04x}" for unit in memoryview(character.encode("utf-16-le", "surrogatepass")).cast("H")
    )


def _json_value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    return _json_text(str(value))


def _field(value: str) -> str:
    """Return a field's value: quoted where a reader could not tell where it ends."""
    shown = _printable(_cut(value, 256))
    plain = shown and not any(c in shown for c in ' "=:')
    return shown if plain else '"' + shown.replace('"', '\\"') + '"'
