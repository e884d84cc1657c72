"""From HTTP to the Admin API and back, without a socket: what is asked, when, and who gets the answer."""

from __future__ import annotations

import asyncio

from host.admin.filter import admin_route
from host.admin.messages import AdminAnswer, AdminRequest
from host.exchange import Route
from host.http.deadlines import Deadlines
from host.peer import ConnectionInfo
from host.stream import LOCAL_RESPONSE, HttpStream


class Desk:
    """Answers when it is let; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[AdminRequest] = []
        self.may_answer = asyncio.Event()

    async def ask(self, request: AdminRequest) -> AdminAnswer:
        """Wait, and answer with the request's method."""
        self.asked.append(request)
        await self.may_answer.wait()
        return AdminAnswer(201, request.method)

    def route(self) -> Route:
        """The route of the API for clients on loopback."""
        return admin_route(self.ask, ["127.0.0.0/24"], Deadlines(lambda: 0.0))


class Exchange(HttpStream):
    """An exchange that keeps what may leave."""

    def __init__(self, route: Route, method: bytes, client: str = "127.0.0.1:5") -> None:
        super().__init__()
        self.begin(route, method, client)

    def begin(self, route: Route, method: bytes, client: str = "127.0.0.1:5") -> None:
        """A request's head has come."""
        self.request_headers.clear()
        for name, value in (
            (b":method", method),
            (b":path", b"/apisix/admin/routes?api_key=q"),
            (b"X-API-KEY", b"k"),
            (b"X-Tyk-Authorization", b"t"),
        ):
            self.request_headers.add(name, value)
        self.flags = 0
        self.is_answered = asyncio.Event()
        self.open(route.chain, ConnectionInfo(client))

    def on_ready(self, flags: int) -> None:
        """Keep them."""
        self.flags |= flags
        self.is_answered.set()


def test_a_request_is_asked_as_a_whole() -> None:
    """Its pieces in one, when the last is there; key and query are taken out of what others can see."""

    async def test() -> None:
        desk = Desk()
        exchange = Exchange(desk.route(), b"PUT")
        assert exchange.on_request_headers(False) == 0
        assert exchange.on_request_body(b"ab", False) == 0
        assert desk.asked == []
        assert exchange.on_request_body(b"cd", True) == 0
        await asyncio.sleep(0)
        target = b"/apisix/admin/routes?api_key=q"
        assert desk.asked == [AdminRequest(b"PUT", target, "127.0.0.1", b"k", b"abcd", b"t")]
        assert "k'" not in repr(desk.asked)
        assert "b't'" not in repr(desk.asked)
        assert exchange.request_headers.items() == [(b":method", b"PUT"), (b":path", b"/apisix/admin/routes")]
        desk.may_answer.set()
        await exchange.is_answered.wait()
        assert exchange.flags & LOCAL_RESPONSE
        assert exchange.response_headers.get(b":status") == b"201"
        assert exchange.take_response_body() == b"PUT"
        exchange.close()

    asyncio.run(test())


def test_strangers_are_turned_away_by_the_head() -> None:
    """Nothing is asked."""

    async def test() -> None:
        desk = Desk()
        for client in ("127.0.1.1:5", "[::1]:5", ""):
            exchange = Exchange(desk.route(), b"PUT", client)
            assert exchange.on_request_headers(False) & LOCAL_RESPONSE
            assert exchange.response_headers.get(b":status") == b"403"
            exchange.close()
        mapped = Exchange(desk.route(), b"GET", "[::ffff:127.0.0.1]:5")
        assert mapped.on_request_headers(True) == 0
        await asyncio.sleep(0)
        assert [request.client for request in desk.asked] == ["::ffff:127.0.0.1"]
        desk.may_answer.set()
        mapped.close()
        assert desk.asked

    asyncio.run(test())


def test_an_answer_reaches_nobody_else() -> None:
    """The client has left, and its stream serves another request when the answer comes."""

    async def test() -> None:
        first, second = Desk(), Desk()
        exchange = Exchange(first.route(), b"GET")
        exchange.on_request_headers(True)
        await asyncio.sleep(0)
        exchange.close()
        exchange.begin(second.route(), b"DELETE")
        exchange.on_request_headers(True)
        first.may_answer.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert exchange.flags == 0
        second.may_answer.set()
        await exchange.is_answered.wait()
        assert exchange.take_response_body() == b"DELETE"
        exchange.close()

    asyncio.run(test())


def test_no_more_than_sixteen_wait() -> None:
    """The next one is told so at once, and can come again."""

    async def test() -> None:
        desk = Desk()
        route = desk.route()
        exchanges = [Exchange(route, b"GET") for _ in range(17)]
        flags = []
        for exchange in exchanges:
            flags.append(exchange.on_request_headers(True))
            await asyncio.sleep(0)
        assert flags[:16] == [0] * 16
        assert flags[16] & LOCAL_RESPONSE
        assert exchanges[16].response_headers.get(b":status") == b"503"
        desk.may_answer.set()
        for exchange in exchanges[:16]:
            await exchange.is_answered.wait()
        await asyncio.sleep(0)
        exchanges[16].close()
        exchanges[16].begin(route, b"GET")
        assert exchanges[16].on_request_headers(True) == 0
        for exchange in exchanges:
            exchange.close()

    asyncio.run(test())


def test_a_failure_is_an_answer() -> None:
    """500, and the next request is served."""

    async def fail(request: AdminRequest) -> AdminAnswer:
        raise OSError("gone")

    async def test() -> None:
        exchange = Exchange(admin_route(fail, ["127.0.0.0/24"], Deadlines(lambda: 0.0)), b"GET")
        exchange.on_request_headers(True)
        await exchange.is_answered.wait()
        assert exchange.response_headers.get(b":status") == b"500"
        exchange.close()

    asyncio.run(test())
