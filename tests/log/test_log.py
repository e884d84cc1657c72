"""Lines of the log: their form, what untrusted text can do to them, and a standard error that does not read."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host import log as log_module
from host.log import MAX_MESSAGE_SIZE, MAX_QUEUED_BYTES, Handler, Log, Writer

NOW = 1795238396.789


class Recorder(Writer):
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr(time, "time", lambda: NOW)
    return Recorder()


def test_plugin_lines_as_text(recorder: Recorder) -> None:
    """Time, level, plugin, context and request stand before the message, which takes the rest of the line."""
    Log(recorder).plugin_lines("hdr", 3, "77", [(2, b"hello: world = 1"), (5, "ü".encode())])
    assert recorder.data.decode() == (
        "2026-11-21T05:19:56.789Z info     plugin=hdr context=3 request=77: hello: world = 1\n"
        "2026-11-21T05:19:56.789Z critical plugin=hdr context=3 request=77: ü\n"
    )


def test_plugin_lines_as_json(recorder: Recorder) -> None:
    """One object a line; a line outside of a request has no such member."""
    Log(recorder, "json").plugin_lines('a"b', 1, "", [(0, b'say "hi"\n\x1b[31m\x7f')])
    assert recorder.data == (
        b'{"time": "2026-11-21T05:19:56.789Z", "level": "trace", "plugin": "a\\"b", "context": 1, '
        b'"message": "say \\"hi\\"\\n\\u001b[31m\\u007f"}\n'
    )


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (b"a\nb", r"a\nb"),
        (
            b"a\r\n2026-11-21T05:19:56.789Z error plugin=x: forged",
            r"a\r\n2026-11-21T05:19:56.789Z error plugin=x: forged",
        ),
        (b"\x1b[2J\x07\x00", r"\x1b[2J\x07\x00"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("\u202egpj.exe".encode(), r"\u202egpj.exe"),
        ("a\u2028b\x85c".encode(), r"a\u2028b\x85c"),
        ("😀".encode(), "😀"),
        (rb"a\nb", r"a\\nb"),
        (b"", ""),
    ],
)
def test_untrusted_text_stays_on_its_line(recorder: Recorder, message: bytes, shown: str) -> None:
    """No line end, terminal escape or mark of direction gets through, and an escape cannot be imitated."""
    Log(recorder).plugin_lines("p", 1, "", [(2, message)])
    assert recorder.data.decode() == f"2026-11-21T05:19:56.789Z info     plugin=p context=1: {shown}\n"


def test_one_odd_line_changes_none_of_its_batch(recorder: Recorder) -> None:
    """Batches that are plain as a whole take a short cut; the others must come out the same."""
    Log(recorder).plugin_lines("p", 1, "", [(2, b"plain"), (2, b"odd\n")])
    assert [line.split(b": ", 1)[1] for line in recorder.data.splitlines()] == [b"plain", b"odd\\n"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_long_message_is_cut_and_counted(recorder: Recorder, form: log_module.Format) -> None:
    """A guest may log its whole memory."""
    Log(recorder, form).plugin_lines("p", 1, "", [(2, b"x" * (MAX_MESSAGE_SIZE + 5))])
    assert b"x" * MAX_MESSAGE_SIZE + "… (5 more)".encode() in recorder.data
    assert len(recorder.data) < MAX_MESSAGE_SIZE + 200


@pytest.mark.parametrize("name", ["a b", "a=b", 'a"b', "", "a:b"])
def test_a_field_that_could_run_into_the_next_is_quoted(recorder: Recorder, name: str) -> None:
    """Names of plugins are the operator's, but may be anything."""
    Log(recorder).plugin_lines(name, 1, "", [(2, b"m")])
    quoted = name.replace('"', '\\"')
    assert f' plugin="{quoted}" context=1: m\n'.encode() in recorder.data


def _record(logger: logging.Logger, recorder: Recorder, form: log_module.Format) -> None:
    handler = Handler(Log(recorder, form))
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    logger.propagate = False


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    logger = logging.getLogger(f"tests.{request.node.name}")
    yield logger
    logger.handlers.clear()


def test_our_own_lines_have_the_same_form(recorder: Recorder, logger: logging.Logger) -> None:
    """Fields come with `extra`; the logger's name is one."""
    _record(logger, recorder, "text")
    logger.warning("took %d s", 3, extra={"fields": {"worker": 1, "path": "a b"}})
    (line,) = recorder.data.decode().splitlines()
    assert line.split(" ", 1)[1] == f'warn     logger={logger.name} worker=1 path="a b": took 3 s'


def test_our_own_lines_as_json(recorder: Recorder, logger: logging.Logger) -> None:
    """Numbers, booleans and null stay what they are."""
    _record(logger, recorder, "json")
    logger.error("no", extra={"fields": {"n": 1, "b": True, "x": None, "y": 1.5}})
    found = json.loads(recorder.data)
    del found["time"]
    assert found == {
        "level": "error",
        "logger": logger.name,
        "n": 1,
        "b": True,
        "x": None,
        "y": "1.5",
        "message": "no",
    }


def test_a_traceback_is_part_of_its_line(recorder: Recorder, logger: logging.Logger) -> None:
    """What an exception says may come from a peer."""
    _record(logger, recorder, "text")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception("failed")
    (line,) = recorder.data.decode().splitlines()
    assert line.endswith(r"ValueError: two\nlines")
    assert r": failed\nTraceback (most recent call last):\n" in line


def test_a_record_that_cannot_be_formatted_raises_nothing(recorder: Recorder, logger: logging.Logger) -> None:
    """A slip in a log call is no reason to lose a request."""
    _record(logger, recorder, "text")
    logger.info("%d", "x")
    assert b"a log record could not be formatted: TypeError" in recorder.data


def test_a_level_that_no_abi_knows_raises_nothing(recorder: Recorder) -> None:
    """The C core hands on what it checked; should it not, the line is lost and that is said."""
    Log(recorder).plugin_lines("p", 1, "", [(9, b"x")])
    assert recorder.data == b"a log line was lost: IndexError\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=30), max_size=4), st.text(max_size=5), st.sampled_from(["text", "json"]))
def test_whatever_is_logged_is_one_line_each(
    messages: list[bytes], name: str, form: log_module.Format
) -> None:
    """And valid UTF-8, and valid JSON where that is the form."""
    recorder = Recorder()
    Log(recorder, form).plugin_lines(name, 1, name, [(2, message) for message in messages])
    lines = recorder.data.decode().splitlines()
    assert len(lines) == len(messages)
    if form == "json":
        for line, message in zip(lines, messages, strict=True):
            assert json.loads(line)["message"] == message.decode("utf-8", "replace")


def test_a_pipe_that_nobody_reads_stops_nobody() -> None:
    """Lines beyond the queue are dropped, counted, and the count is told when there is room again."""
    reader, writer = os.pipe()
    try:
        log = Log(Writer(writer))
        line = b"x" * 8000
        started = time.monotonic()
        for _ in range(2 * MAX_QUEUED_BYTES // len(line)):
            log.plugin_lines("p", 1, "", [(2, line)])
        assert time.monotonic() - started < 5
        assert not log.flush(timeout=0.01)
        received = b""
        while b"log lines were dropped" not in received:
            received += os.read(reader, 1 << 20)
            log.plugin_lines("p", 2, "", [(2, b"there is room again")])
        assert b" warn     logger=host.log dropped=" in received
    finally:
        os.close(reader)


@pytest.mark.parametrize("close_reader", [True, False])
def test_a_closed_standard_error_stops_nobody(close_reader: bool) -> None:
    """EPIPE and EBADF are for nobody to hear."""
    reader, writer = os.pipe()
    os.close(reader)
    if not close_reader:
        os.close(writer)
        writer = -1
    target = Writer(writer)
    log = Log(target)
    log.plugin_lines("p", 1, "", [(2, b"x")])
    assert log.flush(timeout=5)
    assert target.dropped == 1
    if writer >= 0:
        os.close(writer)


def test_lines_written_after_a_fork_come_out() -> None:
    """Threads do not survive a fork: the child starts its own."""
    reader, writer = os.pipe()
    log = Log(Writer(writer))
    log.plugin_lines("p", 1, "", [(2, b"from the parent")])
    assert log.flush(timeout=5)
    child = os.fork()
    if child == 0:
        log.plugin_lines("p", 1, "", [(2, b"from the child")])
        os._exit(0 if log.flush(timeout=5) else 1)
    _, status = os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        assert [line.split(b": ")[1] for line in stream.read().splitlines()] == [
            b"from the parent",
            b"from the child",
        ]
    assert status == 0


def test_setup_replaces_what_it_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload may change level and format."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        log_module.setup("info")
        log_module.setup("error", "json")
        assert [type(handler) for handler in root.handlers if handler not in before] == [Handler]
        assert root.level == logging.ERROR
    finally:
        for handler in [handler for handler in root.handlers if handler not in before]:
            root.removeHandler(handler)
        root.setLevel(level)
        monkeypatch.setattr(logging, "raiseExceptions", True)
