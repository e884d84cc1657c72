"""What every store does, as host/store/interface.py says it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abi.types import Status
from host.store import Limits, Refused, Store
from host.store.interface import ENTRY_COST

MakeStore = Callable[..., Store]

BYTES = [b"", b"\0", b"a", b"a\0b", b"\xff" * 40, b"k" * 400, b"k" * 511, b"k" * 512, b"k" * 70_000]
"""Keys and names of any kind: with NUL, empty, longer than what a database takes for a key."""


# --- shared data


def test_a_key_that_was_never_set_is_not_there(store: Store) -> None:
    """NOT_FOUND, to a guest."""
    assert store.space("a").get(b"key") is None


@pytest.mark.parametrize("key", BYTES, ids=range(len(BYTES)))
def test_any_bytes_are_a_key(store: Store, key: bytes) -> None:
    """Those of one length that differ in the last byte are two keys."""
    space = store.space("a")
    assert space.set(key, b"1") is Status.OK
    assert space.set(key + b"x", b"2") is Status.OK
    assert [space.get(key)[0], space.get(key + b"x")[0]] == [b"1", b"2"]  # type: ignore[index]
    assert sorted(space.keys()) == sorted([key, key + b"x"])


@pytest.mark.parametrize("value", [b"", b"\0", b"v" * 5000, b"v" * 1_000_000], ids=len)
def test_any_bytes_are_a_value(store: Store, value: bytes) -> None:
    """An empty value is there, unlike one that was deleted."""
    space = store.space("a")
    assert space.set(b"key", value) is Status.OK
    found = space.get(b"key")
    assert found is not None
    assert found[0] == value


def test_cas_0_sets_always(store: Store) -> None:
    """That is how guests overwrite."""
    space = store.space("a")
    for value in (b"1", b"2"):
        assert space.set(b"key", value, 0) is Status.OK
        assert space.get(b"key")[0] == value  # type: ignore[index]


def test_the_cas_that_was_read_sets_once(store: Store) -> None:
    """Each set gives the key another one."""
    space = store.space("a")
    space.set(b"key", b"1")
    _, cas = space.get(b"key")  # type: ignore[misc]
    assert 0 < cas < 2**32
    assert space.set(b"key", b"2", cas) is Status.OK
    assert space.set(b"key", b"3", cas) is Status.CAS_MISMATCH
    value, newer = space.get(b"key")  # type: ignore[misc]
    assert value == b"2"
    assert newer != cas
    assert space.set(b"key", b"4", newer) is Status.OK


def test_any_cas_sets_a_key_that_is_not_there(store: Store) -> None:
    """As in Envoy."""
    assert store.space("a").set(b"key", b"1", 12345) is Status.OK


def test_what_was_deleted_is_not_there(store: Store) -> None:
    """And can be set with any cas."""
    space = store.space("a")
    space.set(b"key", b"1")
    assert space.delete(b"key") is Status.OK
    assert space.get(b"key") is None
    assert space.keys() == []
    assert space.delete(b"key") is Status.OK
    assert space.delete(b"key", 7) is Status.OK
    assert space.set(b"key", b"2", 7) is Status.OK


def test_a_delete_compares_too(store: Store) -> None:
    """Nobody deletes what he has not seen."""
    space = store.space("a")
    space.set(b"key", b"1")
    _, cas = space.get(b"key")  # type: ignore[misc]
    assert space.delete(b"key", cas + 1) is Status.CAS_MISMATCH
    assert space.delete(b"key", cas) is Status.OK
    assert space.get(b"key") is None


def test_vm_ids_share_nothing(store: Store) -> None:
    """The empty one is one of them."""
    for vm_id in ("", "a", "b"):
        store.space(vm_id).set(b"key", vm_id.encode())
    assert [store.space(vm_id).get(b"key")[0] for vm_id in ("", "a", "b")] == [b"", b"a", b"b"]  # type: ignore[index]


def test_two_who_ask_for_a_vm_id_share_it(store: Store) -> None:
    """However often it is asked for."""
    store.space("a").set(b"key", b"1")
    assert store.space("a").get(b"key")[0] == b"1"  # type: ignore[index]


def test_vm_ids_that_no_plugin_has_are_forgotten(store: Store) -> None:
    """Data and queues of the others stay."""
    queues = {}
    for vm_id in ("a", "b"):
        store.space(vm_id).set(b"key", b"1")
        queues[vm_id] = store.space(vm_id).register_queue(b"queue")
        store.enqueue(queues[vm_id], b"item")
    store.keep_only(["b", "c"])
    assert store.space("a").get(b"key") is None
    assert store.resolve_queue("a", b"queue") == 0
    assert store.enqueue(queues["a"], b"item") is Status.NOT_FOUND
    with pytest.raises(KeyError):
        store.dequeue(queues["a"])
    assert store.length(queues["a"]) == 0
    assert store.space("b").get(b"key") is not None
    assert store.dequeue(queues["b"]) == b"item"
    assert store.space("a").register_queue(b"queue") != queues["b"]


# --- limits and time


def test_what_is_too_large_is_refused_and_nothing_is_lost(make_store: MakeStore) -> None:
    """It would push out all the others."""
    space = make_store(max_size=2000).space("a")
    space.set(b"other", b"1")
    space.set(b"key", b"old")
    with pytest.raises(Refused, match="max_size"):
        space.set(b"key", b"v" * (2000 - ENTRY_COST))
    assert space.set(b"key", b"v" * 1500) is Status.OK
    assert space.get(b"other") is not None


def test_the_entries_of_longest_ago_make_room(make_store: MakeStore) -> None:
    """What was set again in between counts as new."""
    space = make_store(max_size=10 * (ENTRY_COST + 10)).space("a")
    for number in range(10):
        space.set(b"k%04d" % number, b"value")
    space.set(b"k0000", b"value")
    for number in range(10, 13):
        space.set(b"k%04d" % number, b"value")
    assert sorted(space.keys()) == sorted(b"k%04d" % number for number in (0, *range(4, 13)))


def test_a_flood_of_keys_stays_within_the_limit(make_store: MakeStore) -> None:
    """Keys without values count as well."""
    space = make_store(max_size=100_000).space("a")
    for number in range(5000):
        space.set(b"%d" % number, b"")
    assert 0 < len(space.keys()) <= 100_000 / ENTRY_COST


def test_an_entry_ends_with_its_time(make_store: MakeStore) -> None:
    """`ttl` counts from the last set."""
    space = make_store(ttl=0.3).space("a")
    space.set(b"key", b"1")
    space.set(b"again", b"1")
    time.sleep(0.2)
    assert space.get(b"key") is not None
    space.set(b"again", b"2")
    time.sleep(0.2)
    assert space.get(b"key") is None
    assert space.get(b"again") is not None
    assert space.keys() == [b"again"]
    assert space.set(b"key", b"2", 99) is Status.OK  # as one that was never there


def test_an_entry_can_be_given_a_time_of_its_own(store: Store) -> None:
    """0 takes it away again."""
    space = store.space("a")
    assert space.expire(b"key", 10) is Status.NOT_FOUND
    for key in (b"key", b"kept"):
        space.set(key, b"1")
        assert space.expire(key, 0.1) is Status.OK
    assert space.expire(b"kept", 0) is Status.OK
    time.sleep(0.2)
    assert space.get(b"key") is None
    assert space.get(b"kept") is not None
    assert space.expire(b"key", 10) is Status.NOT_FOUND


def test_other_limits_hold_from_then_on(store: Store) -> None:
    """A reload may bring them."""
    space = store.space("a")
    space.set(b"key", b"v" * 5000)
    store.configure(lambda _: Limits(max_size=1000))
    with pytest.raises(Refused):
        store.space("a").set(b"key", b"v" * 5000)
    store.space("a").set(b"small", b"")
    assert store.space("a").keys() == [b"small"]


# --- queues


@pytest.mark.parametrize("name", BYTES, ids=range(len(BYTES)))
def test_a_name_is_one_queue_of_its_vm_id(store: Store, name: bytes) -> None:
    """Whoever registers it gets the same id; 0 is none."""
    queue = store.space("a").register_queue(name)
    assert queue > 0
    assert store.space("a").register_queue(name) == queue
    assert store.resolve_queue("a", name) == queue
    assert store.resolve_queue("b", name) == 0
    assert store.space("b").register_queue(name) != queue
    assert store.space("a").register_queue(name + b"x") != queue


def test_items_leave_in_the_order_in_which_they_came(store: Store) -> None:
    """Whatever they are; an empty one is an item."""
    queue = store.space("a").register_queue(b"queue")
    items = [b"1", b"", b"\0", b"x" * 5000, b"5"]
    for item in items:
        assert store.enqueue(queue, item) is Status.OK
    assert store.length(queue) == 5
    assert [store.dequeue(queue) for _ in range(6)] == [*items, None]


def test_registering_again_keeps_the_items(store: Store) -> None:
    """As in Envoy."""
    queue = store.space("a").register_queue(b"queue")
    store.enqueue(queue, b"item")
    store.space("a").register_queue(b"queue")
    assert store.dequeue(queue) == b"item"


def test_a_queue_that_is_not_there_is_told_apart_from_an_empty_one(store: Store) -> None:
    """Guests get NOT_FOUND and EMPTY."""
    queue = store.space("a").register_queue(b"queue")
    assert store.dequeue(queue) is None
    for unknown in (0, queue + 1, 2**30 - 1, 2**32 - 1):
        assert store.enqueue(unknown, b"item") is Status.NOT_FOUND
        assert store.length(unknown) == 0
        with pytest.raises(KeyError):
            store.dequeue(unknown)


def test_what_is_put_back_comes_next(store: Store) -> None:
    """A guest could not take it."""
    queue = store.space("a").register_queue(b"queue")
    for item in (b"1", b"2"):
        store.enqueue(queue, item)
    taken = store.dequeue(queue)
    assert taken is not None
    store.put_back(queue, taken)
    assert [store.dequeue(queue) for _ in range(3)] == [b"1", b"2", None]


def test_a_full_queue_refuses_and_loses_nothing(make_store: MakeStore) -> None:
    """There is room again when an item has been taken."""
    store = make_store(max_queue_size=3 * (ENTRY_COST + 10))
    queue = store.space("a").register_queue(b"queue")
    for number in range(3):
        assert store.enqueue(queue, b"%010d" % number) is Status.OK
    with pytest.raises(Refused, match="full"):
        store.enqueue(queue, b"")
    assert store.dequeue(queue) == b"%010d" % 0
    assert store.enqueue(queue, b"%010d" % 3) is Status.OK
    assert [store.dequeue(queue) for _ in range(4)] == [b"%010d" % number for number in (1, 2, 3)] + [None]


def test_thousands_of_queues_are_not_to_be_had(make_store: MakeStore) -> None:
    """Those that are there go on."""
    store = make_store(max_queues=20)
    space = store.space("a")
    queues = [space.register_queue(b"%d" % number) for number in range(20)]
    for number in range(20, 3000):
        with pytest.raises(Refused, match="max_queues"):
            space.register_queue(b"%d" % number)
    assert space.register_queue(b"0") == queues[0]
    assert store.space("b").register_queue(b"0") not in queues


# --- any order of calls

_keys = st.sampled_from([b"", b"a", b"a\0", b"k" * 600])
_calls = st.one_of(
    st.tuples(st.just("set"), _keys, st.binary(max_size=40), st.sampled_from(["any", "right", "wrong"])),
    st.tuples(st.just("delete"), _keys, st.just(b""), st.sampled_from(["any", "right", "wrong"])),
    st.tuples(st.sampled_from(["put", "take", "back"]), st.just(b""), st.binary(max_size=40), st.just("any")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_calls, max_size=30))
def test_any_order_of_calls_does_as_a_dictionary_and_a_list_would(
    store: Store, calls: list[tuple[str, bytes, bytes, str]]
) -> None:
    """Each example in a vm_id of its own."""
    vm_id = uuid.uuid4().hex
    space = store.space(vm_id)
    model: dict[bytes, bytes] = {}
    items: list[bytes] = []
    seen: set[int] = set()
    queue = space.register_queue(b"queue")
    for name, key, value, which in calls:
        found = space.get(key)
        assert (found[0] if found is not None else None) == model.get(key)
        right = found[1] if found is not None else 77
        cas = {"any": 0, "right": right, "wrong": right + 1}[which]
        is_refused = found is not None and which == "wrong"
        expected = Status.CAS_MISMATCH if is_refused else Status.OK
        if name == "set":
            assert space.set(key, value, cas) is expected
            if not is_refused:
                model[key] = value
                _, new = space.get(key)  # type: ignore[misc]
                assert new not in seen
                seen.add(new)
        elif name == "delete":
            assert space.delete(key, cas) is expected
            if not is_refused:
                model.pop(key, None)
        elif name == "put":
            assert store.enqueue(queue, value) is Status.OK
            items.append(value)
        else:
            assert store.dequeue(queue) == (items[0] if items else None)
            if name == "take":
                items = items[1:]
            elif items:
                store.put_back(queue, items[0])
        assert store.length(queue) == len(items)
    assert sorted(space.keys()) == sorted(model)
