"""Host calls of other dialects, and of Emscripten."""

from __future__ import annotations

from abi import HOSTCALLS
from host.testing import PluginHost
from tests.plugin.guests import GET, wat


def test_a_call_of_another_dialect_answers_unimplemented() -> None:
    """Such modules load all the same."""
    with PluginHost(wat("unknown_hostcall")) as host:
        with host.http_stream() as stream:
            stream.request_headers(GET, end_of_stream=True)
        assert any("12" in line or "UNIMPLEMENTED" in line for line in host.logs())


def test_old_emscripten_modules_find_what_they_import() -> None:
    """They trap in context_create when an answer is not as it should be."""
    with PluginHost(wat("old_emscripten")) as host, host.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        assert stream.to_upstream.ended
        assert host.failures == 0


def test_every_host_call_of_the_table_is_tested() -> None:
    """A row that is added without a test is seen."""
    import pathlib

    text = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_*.py"))
    missing = [row.name for row in HOSTCALLS if row.name not in text and not row.extension]
    assert missing == []
