"""The upstreams that plugins can call by name, while configurations come and go."""

from __future__ import annotations

from host.callouts import Directory
from host.http.deadlines import Deadlines
from host.upstream.balancer import Node
from host.upstream.upstream import Upstream
from tests.http.wire import MockDialer


class Named:
    """A configuration with upstreams of these names, which counts how often it is asked."""

    def __init__(self, *names: str) -> None:
        dialer, deadlines = MockDialer(), Deadlines(lambda: 0.0)
        self.upstreams = {name: Upstream(name, [Node("10.0.0.1", 80)], deadlines, dialer) for name in names}
        self.asked = 0

    def __contains__(self, name: object) -> bool:
        return name in self.upstreams

    def named(self, name: str) -> Upstream | None:
        self.asked += 1
        return self.upstreams.get(name)


def test_the_newest_configuration_with_the_name_has_it() -> None:
    """While the last one still serves, what only it has is found there."""
    directory, old, new = Directory(), Named("a", "b"), Named("a")
    directory.add(old)
    assert directory.find("a") is old.upstreams["a"]
    directory.add(new)
    assert directory.find("a") is new.upstreams["a"]
    assert directory.find("b") is old.upstreams["b"]
    directory.remove(old)
    assert (directory.find("b"), "b" in directory) == (None, False)
    directory.remove(new)
    assert (directory.find("a"), "a" in directory) == (None, False)


def test_a_configuration_is_asked_once_for_a_name() -> None:
    """A call must not look for its upstream by all that is configured of it."""
    directory, named = Directory(), Named("a")
    directory.add(named)
    assert {directory.find("a") for _ in range(3)} == {named.upstreams["a"]}
    assert named.asked == 1
    assert "a" in directory
