"""Host calls that are not served yet, of other dialects, and of Emscripten."""

from __future__ import annotations

import pytest

from abi import HOSTCALLS, Status
from host.testing import PluginHost
from testdata import relay
from tests.hostcalls.relays import run
from tests.plugin.guests import GET, wat

UNSERVED = [name for name in (function.name for function in relay.calls()) if name.startswith("proxy_grpc_")]


@pytest.mark.parametrize("call", UNSERVED)
def test_calls_that_leave_the_stream_answer_unimplemented(call: str) -> None:
    """A guest can tell, and goes on."""
    outcome = run(("request_headers", call))
    assert outcome.statuses == [Status.UNIMPLEMENTED]
    assert outcome.stream.to_client.status == 200


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


def test_every_host_call_of_the_table_is_tested_or_named_here() -> None:
    """A row that is added without a test is seen."""
    import pathlib

    text = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_*.py"))
    missing = [
        row.name
        for row in HOSTCALLS
        if row.name not in text and row.name not in UNSERVED and not row.extension
    ]
    assert missing == []
