"""What a shadow holds back of a response, and how much of it at most."""

from __future__ import annotations

from abi.types import Action
from host.chain import FilterChain
from host.filters.python import FilterContext, PythonFilter, PythonFilterAdapter
from host.shadow.stream import ShadowStream


class Holds(PythonFilter):
    """Does not let the request go."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
        return Action.PAUSE

    def on_delete(self, context: FilterContext, end_of_stream: bool) -> None:
        self.is_over = True


def test_a_response_in_tiny_pieces_is_held_no_longer_than_one_in_large_ones() -> None:
    """A byte that is held takes a hundred: they are counted with it, and the shadow is given up."""
    for size, most in ((1, 5000), (1 << 16, 17)):
        holds = Holds()
        chain = FilterChain([PythonFilterAdapter(holds)])
        stream = ShadowStream(lambda: None)
        stream.begin(chain, None, "id", [(b":method", b"GET"), (b":path", b"/")], True)
        stream.response_came([(b":status", b"200")], b"", False)
        for _ in range(most):
            stream.response_came(None, b"x" * size, False)
        assert holds.is_over
