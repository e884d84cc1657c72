"""What a match costs at 10, 1,000 and 10,000 routes: the promise is that the count hardly shows.

Run: `pytest bench/test_router.py`. Each round matches ten requests; compare the rows of one shape.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from host.router import Router, Rule

COUNTS = (10, 1_000, 10_000)
REQUESTS_PER_ROUND = 10

Request = tuple[bytes, bytes, bytes]


def _exact(count: int) -> tuple[list[Rule[int]], list[Request]]:
    rules = [Rule(number, [f"/api/v1/resource{number}"]) for number in range(count)]
    return rules, [
        (b"example.com", b"GET", f"/api/v1/resource{number}".encode()) for number in _spread(count)
    ]


def _prefix(count: int) -> tuple[list[Rule[int]], list[Request]]:
    rules = [Rule(number, [f"/api/v1/resource{number}/*"]) for number in range(count)]
    return rules, [
        (b"example.com", b"GET", f"/api/v1/resource{number}/items/7".encode()) for number in _spread(count)
    ]


def _deep_prefix(count: int) -> tuple[list[Rule[int]], list[Request]]:
    """Five levels of prefixes in each branch; the request ends below the deepest."""
    rules = [
        Rule(number, [f"/branch{number // 5}/" + "level/" * (number % 5) + "*"]) for number in range(count)
    ]
    return rules, [
        (b"example.com", b"GET", f"/branch{number // 5}/level/level/level/level/x".encode())
        for number in _spread(count)
    ]


def _host(count: int) -> tuple[list[Rule[int]], list[Request]]:
    """One `/*` route a host: the count grows inside one URI."""
    rules = [Rule(number, ["/*"], [f"tenant{number}.example.com"]) for number in range(count)]
    return rules, [(f"tenant{number}.example.com".encode(), b"GET", b"/index") for number in _spread(count)]


def _miss(count: int) -> tuple[list[Rule[int]], list[Request]]:
    rules, requests = _prefix(count)
    return rules, [(host, method, b"/other" + path) for host, method, path in requests]


def _spread(count: int) -> list[int]:
    return [count * step // REQUESTS_PER_ROUND for step in range(REQUESTS_PER_ROUND)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    "shape", [_exact, _prefix, _deep_prefix, _host, _miss], ids=lambda shape: shape.__name__[1:]
)
def test_match(
    benchmark: BenchmarkFixture,
    shape: Callable[[int], tuple[list[Rule[int]], list[Request]]],
    count: int,
) -> None:
    """Time ten matches spread over the routes."""
    rules, requests = shape(count)
    router = Router(rules)
    match = router.match

    def round_of_matches() -> None:
        for host, method, path in requests:
            match(host, method, path)

    benchmark.group = shape.__name__[1:]
    benchmark(round_of_matches)
    found = [match(*request) for request in requests]
    assert all(payload is None for payload in found) if shape is _miss else len(set(found)) > 1
