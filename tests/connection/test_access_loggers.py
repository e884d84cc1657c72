"""Access loggers on connections: plugins and filters that see the end alone."""

from __future__ import annotations

from typing import Any

from host.chain import FilterChain
from host.connection import Connection
from host.filters.connection import ConnectionContext, ConnectionFilter, ConnectionFilterAdapter
from host.testing import ChainHost, WasmPlugin
from tests.plugin.guests import plugin_file


def test_a_plugin_sees_the_log_and_what_belongs_to_it() -> None:
    """Its context is made for the log; no data comes by it."""
    logger = WasmPlugin(plugin_file("connection"), {"upstream_prefix": "* "}, access_logger=True)
    with ChainHost([logger]) as host:
        with host.connection() as connection:
            connection.new_connection()
            connection.upstream_data(b"as it is")
            assert connection.to_client.data == b"as it is"
        names = [row.name for row in host.trace() if row.name.startswith("proxy_on_") and row.context == 2]
        assert names == ["proxy_on_context_create", "proxy_on_log", "proxy_on_done", "proxy_on_delete"]


def test_a_filter_in_python_sees_the_log_alone() -> None:
    """The same for a filter in Python."""
    heard: list[Any] = []

    class Logs(ConnectionFilter):
        def on_downstream_data(self, context: ConnectionContext, end_of_stream: bool) -> None:
            heard.append("data")

        def on_log(self, context: ConnectionContext) -> None:
            heard.append("log")

    connection = Connection()
    connection.open(FilterChain([ConnectionFilterAdapter(Logs(), access_logger=True)]))
    connection.on_new_connection()
    connection.on_downstream_data(b"x", True)
    connection.close()
    assert heard == ["log"]
