"""The registry by which host calls find their plugin, and what its subjects hear of ends."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from host.errors import PluginStartError
from host.plugin import lines
from host.plugin.guests import Guest, guest_of
from host.plugin.settings import Key
from host.testing import PluginHost
from testdata.relay import script
from tests.hostcalls.relays import start
from tests.plugin.guests import wat


class Ends:
    """A subject that remembers what it was told."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.roots: list[int] = []
        self.count = 0

    def root_ended(self, root: int) -> None:
        """Remember."""
        self.roots.append(root)

    def ended(self) -> None:
        """Remember."""
        self.count += 1


class BadEnds(Ends):
    """One that fails at it."""

    def root_ended(self, root: int) -> None:
        """Fail."""
        raise RuntimeError("no")

    ended = root_ended  # type: ignore[assignment]


def guest(host: PluginHost) -> Guest:
    """The guest of a host's VM."""
    found = guest_of(host.vm.serial)
    assert found is not None
    return found


def relay(*steps: Any, **options: Any) -> PluginHost:
    """A guest with a script."""
    return start(*steps, **options)


def test_a_guest_is_found_by_the_serial_of_its_vm() -> None:
    """With its settings, its VM and its plugin contexts."""
    with PluginHost(wat("minimal_0_2_1"), name="p") as host:
        found = guest(host)
        assert found.settings.name == "p"
        assert found.vm is host.vm
        assert [root.id for root in found.roots.values()] == list(found.roots) == [1]
        assert found.is_serving
    assert found.has_ended
    assert guest_of(0) is None


def test_work_waits_until_the_vm_serves() -> None:
    """A VM that starts may do so on another thread: its work must not be begun there."""
    with PluginHost(wat("minimal_0_2_1")) as host:
        fresh, done = Guest(host.plugin.settings, host._services), []
        fresh.when_serving(lambda: done.append(1))
        assert done == []
        fresh.serve(lambda flags: None)
        assert done == [1]
        fresh.when_serving(lambda: done.append(2))
        assert done == [1, 2]


def test_work_of_a_vm_that_never_serves_is_not_done() -> None:
    """Nor is that of one which has ended."""
    with PluginHost(wat("minimal_0_2_1")) as host:
        fresh, done = Guest(host.plugin.settings, host._services), []
        fresh.when_serving(lambda: done.append(1))
        fresh.end()
        fresh.serve(lambda flags: None)
        fresh.when_serving(lambda: done.append(2))
        assert done == []


def test_subjects_hear_of_a_plugin_context_that_ends() -> None:
    """Once; one that fails at it keeps no other from hearing."""
    with relay() as host:
        bad, ends = guest(host).subject(BadEnds), guest(host).subject(Ends)
        assert guest(host).subject(Ends) is ends
        host.close()
    assert bad.roots == []
    assert (ends.roots, ends.count) == ([1], 1)


def test_subjects_hear_of_a_vm_that_failed() -> None:
    """Its contexts are not told of one by one: all of it is gone."""
    with relay(("request_headers", "unreachable")) as host:
        failed = guest(host)
        ends = failed.subject(Ends)
        host.http_stream().request_headers([(b":method", b"GET")], end_of_stream=True)
        assert (ends.roots, ends.count) == ([], 1)
        assert not failed.is_serving
        assert guest(host) is not failed


def test_a_context_that_is_refused_ends() -> None:
    """What it asked for in proxy_on_configure would have nobody to come back to."""
    with relay() as host:
        found = guest(host)
        ends = found.subject(Ends)
        with pytest.raises(PluginStartError, match="proxy_on_configure returned false"):
            host.plugin.context(Key(script(("configure", "return", 0))))
        assert ends.roots == [2]
        assert list(found.roots) == [1]


def test_a_guest_keeps_no_vm_alive() -> None:
    """A VM that was built for nothing goes, and its guest with it."""
    with relay() as host:
        serial = host.vm.serial
    del host
    gc.collect()
    lines.deliver()
    assert guest_of(serial) is None
