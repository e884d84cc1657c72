"""The four calls of shared queues and proxy_on_queue_ready, as guests see them."""

from __future__ import annotations

import pytest

from abi import Status
from host.store import Limits, Stores
from host.testing import PluginHost
from testdata.relay import SCRATCH
from tests.hostcalls.relays import OUT, PHASES, Run, expect, in_phases, run, start
from tests.plugin.guests import GET

REGISTER, RESOLVE = "proxy_register_shared_queue", "proxy_resolve_shared_queue"
ENQUEUE, DEQUEUE = "proxy_enqueue_shared_queue", "proxy_dequeue_shared_queue"
BEYOND = 0x7FFFFFFF


def register(name: bytes = b"queue", phase: str = "configure") -> tuple[str | int | bytes, ...]:
    """The step that registers a queue; its id goes to OUT + 8."""
    return (phase, REGISTER, name, OUT + 8)


def resolve(vm_id: bytes = b"", name: bytes = b"queue") -> tuple[str | int | bytes, ...]:
    """The step that looks a queue up; its id goes to OUT + 12."""
    return ("request_headers", RESOLVE, vm_id, name, OUT + 12)


def enqueue(item: bytes, queue: int = 1, phase: str = "request_headers") -> tuple[str | int | bytes, ...]:
    """The step that appends an item."""
    return (phase, ENQUEUE, queue, item)


def dequeue(queue: int = 1, phase: str = "request_headers") -> tuple[str | int | bytes, ...]:
    """The step that takes one into OUT and OUT + 4."""
    return (phase, DEQUEUE, queue, OUT, OUT + 4)


def one_request(host: PluginHost) -> Run:
    """Run the steps of request_headers."""
    stream = host.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    return Run(host, stream, "relay.wat")


def calls(host: PluginHost) -> int:
    """How often proxy_on_queue_ready was called."""
    return len(host.trace("proxy_on_queue_ready"))


def test_ids_count_from_1_and_are_those_of_names() -> None:
    """Registering again gives the same id; resolving, too."""
    outcome = run(
        register(b"first"),
        ("configure", REGISTER, b"second", OUT + 16),
        register(b"first"),
        resolve(name=b"second"),
    )
    assert outcome.statuses == [Status.OK] * 4
    assert [outcome.number(at=OUT + at) for at in (8, 12, 16)] == [1, 2, 2]


def test_items_come_out_in_order_and_then_it_is_empty() -> None:
    """First in, first out."""
    outcome = run(register(), enqueue(b"one"), enqueue(b"two"), dequeue(), dequeue(), dequeue())
    assert outcome.statuses == [Status.OK] * 5 + [Status.EMPTY]
    assert outcome.given() == b"two"


def test_an_empty_item_is_an_item() -> None:
    """Address and size are 0."""
    outcome = run(register(), ("request_headers", ENQUEUE, 1, 0, 0), dequeue())
    assert outcome.statuses == [Status.OK] * 3
    assert outcome.host.read_memory(OUT, 8) == bytes(8)


@pytest.mark.parametrize("queue", [0, 2, 0x40000000, 0xFFFFFFFF])
def test_a_queue_that_nobody_has_registered_is_not_found(queue: int) -> None:
    """By id or by name."""
    assert run(register(), enqueue(b"item", queue), dequeue(queue)).statuses[1:] == [Status.NOT_FOUND] * 2
    outcome = run(register(), resolve(name=b"other"), resolve(b"other"))
    assert outcome.statuses[1:] == [Status.NOT_FOUND] * 2
    assert outcome.number(at=OUT + 12) == 0


def test_queues_of_another_vm_id_are_found_by_it() -> None:
    """That is how a plugin sends to another. An empty vm_id means the plugin's own."""
    stores = Stores()
    with start(register(), vm_id="receiver", stores=stores) as receiver:
        sender = run(resolve(), resolve(b"receiver"), enqueue(b"item"), vm_id="sender", stores=stores)
        assert sender.statuses == [Status.NOT_FOUND, Status.OK, Status.OK]
        assert sender.number(at=OUT + 12) == 1
        assert receiver.shared_queue(b"queue").items == [b"item"]
        receiver.advance(0)
        assert calls(receiver) == 1


def test_they_can_be_called_in_every_phase() -> None:
    """Queues belong to no stream."""
    assert in_phases(REGISTER, b"queue", OUT) == expect(Status.OK)
    assert in_phases(RESOLVE, b"", b"queue", OUT) == expect(Status.NOT_FOUND)
    assert in_phases(ENQUEUE, 1, b"item") == expect(Status.NOT_FOUND)
    assert in_phases(DEQUEUE, 1, OUT, OUT + 4) == expect(Status.NOT_FOUND)
    assert len(PHASES) == 13


def test_every_range_is_checked_and_no_item_is_lost_for_it() -> None:
    """An item is taken only when there is a place for it."""
    outcome = run(
        register(),
        ("configure", REGISTER, BEYOND, 4, OUT),
        ("configure", REGISTER, b"other", BEYOND),
        ("request_headers", RESOLVE, BEYOND, 4, b"queue", OUT),
        ("request_headers", RESOLVE, b"", BEYOND, 4, OUT),
        ("request_headers", RESOLVE, b"", b"queue", BEYOND),
        ("request_headers", ENQUEUE, 1, SCRATCH, 0xFFFFFFFF),
        enqueue(b"item"),
        ("request_headers", DEQUEUE, 1, BEYOND, OUT + 4),
        ("request_headers", DEQUEUE, 1, OUT, BEYOND),
        dequeue(),
    )
    bad = Status.INVALID_MEMORY_ACCESS
    assert outcome.statuses == [Status.OK, *[bad] * 6, Status.OK, bad, bad, Status.OK]
    assert outcome.given() == b"item"


def test_an_item_that_the_guest_has_no_memory_for_stays_in_the_queue() -> None:
    """The next one may have it."""
    stores = Stores()
    with start(register(), dequeue(), stores=stores, memory_limit=10 * 65536) as host:
        host.shared_queue(b"queue").enqueue(b"x" * 700_000)
        assert one_request(host).statuses[-1] is not Status.OK
        assert host.shared_queue(b"queue").items == [b"x" * 700_000]


def test_a_full_queue_is_not_found_and_said() -> None:
    """Any other status is a panic in Rust's SDK. The log says what it was."""
    stores = Stores(Limits(max_queue_size=200))
    outcome = run(
        register(),
        enqueue(b"item"),
        enqueue(b"item"),
        enqueue(b"item"),
        dequeue(),
        enqueue(b"item"),
        stores=stores,
    )
    assert outcome.statuses[1:] == [Status.OK, Status.OK, Status.NOT_FOUND, Status.OK, Status.OK]
    (said,) = [event.message for event in outcome.host.events]
    assert said.startswith("proxy_enqueue_shared_queue answers NOT_FOUND: queue b'queue' is full")


def test_too_many_queues_are_refused_and_said() -> None:
    """A plugin that makes them without end fails alone."""
    stores = Stores(Limits(max_queues=2))
    outcome = run(register(b"1"), register(b"2"), register(b"3"), register(b"1"), stores=stores)
    assert outcome.statuses == [Status.OK, Status.OK, Status.INTERNAL_FAILURE, Status.OK]
    assert "max_queues" in outcome.host.events[0].message


# --- proxy_on_queue_ready


def test_the_registrant_is_called_when_the_guest_has_returned() -> None:
    """Not from within its host call."""
    with start(
        register(), enqueue(b"item"), dequeue(1, "queue_ready"), dequeue(2, "request_headers")
    ) as host:
        outcome = one_request(host)
        order = [
            row.name for row in host.trace() if row.name.endswith(("shared_queue", "_headers", "_ready"))
        ]
        assert order[1:] == [ENQUEUE, DEQUEUE, "proxy_on_request_headers", DEQUEUE, "proxy_on_queue_ready"]
        assert outcome.given() == b"item"
        (ready,) = host.trace("proxy_on_queue_ready")
        assert ready.arguments == (1, 1)  # the plugin context, the queue


def test_every_registrant_is_called() -> None:
    """Two plugin contexts of one VM, and one of another VM; the losers find it empty."""
    stores = Stores()
    steps = (register(), dequeue(1, "queue_ready"))
    with start(*steps, stores=stores) as first, start(*steps, stores=stores) as second:
        first.shared_queue(b"queue").enqueue(b"item")
        second.advance(0)
        assert [calls(first), calls(second)] == [1, 1]
        results = [Run(host, host.http_stream(), "relay.wat").results[-1][2] for host in (first, second)]
        assert results == [Status.OK, Status.EMPTY]


def test_one_that_takes_an_item_a_call_is_called_until_it_is_empty() -> None:
    """As the example of the Go SDK does."""
    items = [enqueue(b"%d" % number) for number in range(5)]
    with start(register(), *items, dequeue(1, "queue_ready")) as host:
        one_request(host)
        assert calls(host) == 5
        assert host.shared_queue(b"queue").items == []


def test_one_that_takes_none_is_called_once_for_all() -> None:
    """It has been told; the items stay."""
    with start(register(), *[enqueue(b"item")] * 5) as host:
        one_request(host)
        assert calls(host) == 1
        assert len(host.shared_queue(b"queue").items) == 5


def test_a_registrant_hears_of_what_was_there_before() -> None:
    """A worker that died may have left it."""
    stores = Stores()
    with start(register(), enqueue(b"left"), stores=stores) as first:
        one_request(first)
    with start(register(), dequeue(1, "queue_ready"), stores=stores) as host:
        assert calls(host) == 1
        assert host.shared_queue(b"queue").items == []


def test_a_spare_is_called_when_it_takes_over_and_not_before() -> None:
    """Two VMs of a plugin have registered; one serves."""
    steps = (register(), dequeue(1, "queue_ready"), ("request_headers", "unreachable"))
    with start(*steps, keep_spare=True) as host:
        host.shared_queue(b"queue").enqueue(b"1")
        assert calls(host) == 1
        one_request(host)
        assert host.failures == 1
        assert calls(host) == 2  # the new one, for the hint that it got as a spare
        host.shared_queue(b"queue").enqueue(b"2")
        assert calls(host) == 3
        assert host.shared_queue(b"queue").items == []


def test_nobody_is_called_after_the_end() -> None:
    """The plugin context is gone."""
    stores = Stores()
    host = start(register(), stores=stores)
    host.close()
    assert stores.enqueue(1, b"item") is Status.OK
    host.advance(0)
    assert calls(host) == 0


def test_a_trap_in_it_is_the_plugins_own() -> None:
    """The next VM is told of the item that is left."""
    with start(register(), ("queue_ready", "unreachable"), keep_spare=False) as host:
        host.shared_queue(b"queue").enqueue(b"item")
        assert host.failures >= 1
        assert host.shared_queue(b"queue").items == [b"item"]


def test_a_test_can_call_it_by_hand() -> None:
    """Whether there is an item or not."""
    with start(register(), dequeue(1, "queue_ready")) as host:
        host.shared_queue(b"queue").ready()
        assert calls(host) == 1
        assert Run(host, host.http_stream(), "relay.wat").results[-1][2] == Status.EMPTY


def test_a_flood_of_items_ends_at_the_limit_and_everybody_goes_on() -> None:
    """The plugin is told NOT_FOUND; the log has one line, not one for each."""
    stores = Stores(Limits(max_queue_size=10_000))
    floods = [enqueue(b"item")] * 300
    with start(register(), *floods, stores=stores, callback_deadline=5000) as host:
        statuses = one_request(host).statuses[1:]
        assert statuses.count(Status.OK) == 100
        assert statuses[100:] == [Status.NOT_FOUND] * 200
        assert len(host.shared_queue(b"queue").items) == 100
        assert len(host.events) == 1
        assert host.failures == 0


def test_a_plugin_that_keeps_waking_itself_leaves_others_their_turn() -> None:
    """Each on_queue_ready takes an item and puts one: the host makes one call at a time, and never from within one."""
    steps = (register(), dequeue(1, "queue_ready"), enqueue(b"again", 1, "queue_ready"))
    stores = Stores()
    host = start(*steps, stores=stores)
    queue = stores.space("").register_queue(b"queue")
    stores.enqueue(queue, b"first")
    services = host._services
    for turn in range(1, 20):  # turns of an event loop; `run_soon` would go on for ever
        for _ in range(len(services._soon)):
            services._soon.popleft()()
        assert calls(host) <= turn
    assert calls(host) > 5
    assert stores.length(queue) == 1
    stores.dequeue(queue)
    host.close()
