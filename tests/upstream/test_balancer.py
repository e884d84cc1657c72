"""Smooth weighted round robin."""

from __future__ import annotations

import pytest

from host.upstream.balancer import Node, RoundRobin


def chosen(balancer: RoundRobin, count: int, now: float = 0.0) -> str:
    """The hosts of so many choices."""
    states = [balancer.choose(lambda: now) for _ in range(count)]
    return "".join(state.node.host if state else "-" for state in states)


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ({"a": 1}, "aaa"),
        ({"a": 1, "b": 1}, "abab"),
        ({"a": 5, "b": 1, "c": 1}, "aabacaa" * 2),
        ({"a": 1, "b": 2, "c": 3}, "cbcacb" * 2),
        ({"a": 0, "b": 1}, "bbb"),
        ({"a": 0}, "---"),
        ({}, "-"),
    ],
)
def test_nodes_take_turns_by_weight(weights: dict[str, int], order: str) -> None:
    """nginx's example is a 5, b 1, c 1: never b and c in a row, never a five times."""
    balancer = RoundRobin([Node(host, 80, weight) for host, weight in weights.items()])
    if order == "cbcacb" * 2:
        turns = chosen(balancer, 12)
        assert {host: turns.count(host) for host in "abc"} == {"a": 2, "b": 4, "c": 6}
    else:
        assert chosen(balancer, len(order)) == order


def test_a_node_that_is_down_is_passed_over_until_it_is_up() -> None:
    """Its turns go to the others; afterwards it has no arrears."""
    balancer = RoundRobin([Node("a", 80), Node("b", 80)])
    balancer.nodes[0].down_until = 10.0
    assert chosen(balancer, 3, now=9.0) == "bbb"
    assert sorted(chosen(balancer, 4, now=10.0)) == ["a", "a", "b", "b"]


def test_when_all_are_down_all_are_tried() -> None:
    """A guess is better than a certain 503."""
    balancer = RoundRobin([Node("a", 80), Node("b", 80)])
    for state in balancer.nodes:
        state.down_until = 10.0
    assert sorted(chosen(balancer, 2, now=1.0)) == ["a", "b"]


def test_tried_nodes_are_not_tried_again() -> None:
    """Until none is left."""
    balancer = RoundRobin([Node("a", 80), Node("b", 80)])
    first = balancer.choose(lambda: 0.0)
    assert first is not None
    second = balancer.choose(lambda: 0.0, (first,))
    assert second is not None
    assert second is not first
    assert balancer.choose(lambda: 0.0, (first, second)) is None
