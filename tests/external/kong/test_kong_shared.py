"""kong.ctx.shared is one for plugins in servers, filters in Python and Proxy-Wasm plugins."""

from __future__ import annotations

from typing import Any

import pytest

from host import FilterContext, PythonFilter
from host.external.kong.pdk import registry
from host.testing import ChainHost
from tests.external.kong.doubles import event
from tests.plugin.guests import send

PATH = "kong.ctx.shared.k"


class Calls(PythonFilter):
    """Calls the PDK as a server's plugin would, after what the test does."""

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        self.steps = steps
        self.seen: list[Any] = []

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        for step in self.steps:
            if callable(step):
                step(context)
            else:
                name, *arguments = step
                function = registry.METHODS[f"kong.ctx.shared.{name}"].function
                self.seen.append(function(event(view=context), *arguments))  # type: ignore[arg-type]


def property_is(text: bytes) -> Any:
    return lambda context: context.set_property(PATH.replace(".", "\0").encode(), text)


def shared_is(value: Any) -> Any:
    return lambda context: context.shared.__setitem__("k", value)


@pytest.mark.parametrize(
    ("steps", "seen"),
    [
        ([property_is(b'{"a":1}'), ("get", "k")], {"a": 1}),
        ([shared_is("python"), ("get", "k")], "python"),
        ([("set", "k", [1, "b"]), ("get", "k")], [1, "b"]),
        ([("set", "k", 1), property_is(b"2"), ("get", "k")], 2),  # whoever was last
        ([property_is(b"2"), ("get", "k"), shared_is(3), ("get", "k")], 3),
        ([shared_is(3), property_is(b"no json"), ("get", "k")], 3),
        ([property_is(b"[" * 100_000), ("get", "k")], None),
        ([property_is(b"1"), ("get", "k"), property_is(b"null"), ("get", "k")], None),
    ],
)
def test_the_last_value_counts_wherever_it_was_set(steps: list[Any], seen: Any) -> None:
    filter_ = Calls(*steps)
    with ChainHost([filter_]) as host, host.http_stream() as stream:
        send(stream)
    assert filter_.seen[-1] == seen


@pytest.mark.parametrize(("value", "text"), [({"a": "ü"}, '{"a":"ü"}'), (None, "null"), (b"\xff", None)])
def test_plugins_in_wasm_read_what_json_can_say(value: Any, text: str | None) -> None:
    with ChainHost([Calls(("set", "k", value))]) as host, host.http_stream() as stream:
        send(stream)
        found = stream.get_property(PATH)
        assert found == (text.encode() if text is not None else None)
