"""proxy_get_shared_data and proxy_set_shared_data, as guests see them."""

from __future__ import annotations

import pytest

from abi import Status
from host.store import Limits, Stores
from testdata.relay import GROW, SCRATCH
from tests.hostcalls.relays import OUT, Run, expect, in_phases, run, start

GET, SET = "proxy_get_shared_data", "proxy_set_shared_data"
CAS = OUT + 8
BEYOND = 0x7FFFFFFF


def get(key: bytes, phase: str = "request_headers") -> tuple[str | int | bytes, ...]:
    """The step that reads a key into OUT, OUT + 4 and CAS."""
    return (phase, GET, key, OUT, OUT + 4, CAS)


def put(
    key: bytes, value: bytes, cas: int = 0, phase: str = "request_headers"
) -> tuple[str | int | bytes, ...]:
    """The step that sets a key. The relay's script holds the value, so that even an empty one has an address."""
    return (phase, SET, key, value, cas)


def null(key: bytes, cas: int = 0) -> tuple[str | int | bytes, ...]:
    """The step that sets a null value."""
    return ("request_headers", SET, key, 0, 0, cas)


def test_what_was_set_is_read() -> None:
    """Value and cas."""
    outcome = run(put(b"key", b"value"), get(b"key"))
    assert outcome.statuses == [Status.OK, Status.OK]
    assert outcome.given() == b"value"
    assert outcome.number(at=CAS) == 1


def test_a_key_that_is_absent_is_not_found() -> None:
    """Nothing is written through the out-pointers."""
    outcome = run(get(b"key"))
    assert outcome.statuses == [Status.NOT_FOUND]
    assert outcome.host.read_memory(OUT, 12) == bytes(12)


def test_cas_decides() -> None:
    """0 sets always, the present one once, others never; a key that is absent is set whatever it is."""
    outcome = run(
        put(b"key", b"1", 99),
        put(b"key", b"2", 2),
        put(b"key", b"3", 1),
        put(b"key", b"4", 1),
        put(b"key", b"5", 0),
        get(b"key"),
    )
    ok, mismatch = Status.OK, Status.CAS_MISMATCH
    assert outcome.statuses == [ok, mismatch, ok, mismatch, ok, ok]
    assert outcome.given() == b"5"


def test_a_null_value_deletes_and_an_empty_one_does_not() -> None:
    """ngx_wasm_module's rule. An empty value is read as address and size 0."""
    outcome = run(put(b"key", b"1"), null(b"key"), get(b"key"), put(b"key", b""), get(b"key"))
    assert outcome.statuses == [Status.OK, Status.OK, Status.NOT_FOUND, Status.OK, Status.OK]
    assert outcome.host.read_memory(OUT, 8) == bytes(8)
    assert outcome.number(at=CAS) == 2


def test_a_delete_compares_the_cas() -> None:
    """It is a set like any other."""
    outcome = run(put(b"key", b"1"), null(b"key", 7), null(b"key", 1), null(b"key", 7))
    assert outcome.statuses == [Status.OK, Status.CAS_MISMATCH, Status.OK, Status.OK]


@pytest.mark.parametrize("key", [b"", b"\0", b"a\0b", b"k" * 2000])
def test_any_bytes_are_a_key(key: bytes) -> None:
    """With NUL, empty, long."""
    outcome = run(put(key, b"value"), get(key))
    assert outcome.statuses == [Status.OK, Status.OK]
    assert outcome.given() == b"value"


def test_it_can_be_called_in_every_phase() -> None:
    """Shared data belong to no stream."""
    assert in_phases(SET, b"key", b"value", 0) == expect(Status.OK)
    assert in_phases(GET, b"key", OUT, OUT + 4, CAS) == expect(Status.NOT_FOUND)


def test_every_range_is_checked() -> None:
    """Before anything is set, and before the guest's allocator is called."""
    steps = [
        ("request_headers", SET, BEYOND, 4, b"value", 0),
        ("request_headers", SET, b"key", BEYOND, 4, 0),
        ("request_headers", SET, b"key", SCRATCH, 0xFFFFFFFF, 0),
        get(b"key"),
        put(b"key", b"value"),
        ("request_headers", GET, BEYOND, 4, OUT, OUT + 4, CAS),
        ("request_headers", GET, b"key", BEYOND, OUT + 4, CAS),
        ("request_headers", GET, b"key", OUT, BEYOND, CAS),
        ("request_headers", GET, b"key", OUT, OUT + 4, BEYOND),
    ]
    outcome = run(*steps)
    bad = Status.INVALID_MEMORY_ACCESS
    assert outcome.statuses == [bad, bad, bad, Status.NOT_FOUND, Status.OK, bad, bad, bad, bad]
    assert outcome.host.failures == 0


def test_plugins_of_one_vm_id_share_and_others_do_not() -> None:
    """So do plugins without one: the empty vm_id is a vm_id, as in Envoy."""
    stores = Stores()
    for vm_id in ("", "a"):
        run(put(b"key", b"of " + vm_id.encode()), vm_id=vm_id, stores=stores).host.close()
    for vm_id in ("", "a"):
        outcome = run(get(b"key"), vm_id=vm_id, stores=stores)
        assert outcome.given() == b"of " + vm_id.encode()
    assert run(get(b"key"), vm_id="b", stores=stores).statuses == [Status.NOT_FOUND]


def test_they_outlive_a_vm_that_traps() -> None:
    """They end with the configuration, not with a VM."""
    with start(put(b"key", b"value"), ("response_headers", "unreachable")) as host:
        stream = host.http_stream()
        stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
        stream.response_headers([(b":status", b"200")], end_of_stream=True)
        assert host.failures == 1
        assert host.shared_data == {b"key": b"value"}


def test_a_value_over_the_limit_is_a_mismatch_and_said() -> None:
    """Any other status is a panic in Rust's SDK. The log says what it was."""
    stores = Stores(Limits(max_size=1000))
    outcome = run(put(b"key", b"v" * 2000), put(b"key", b"1"), put(b"key", b"v" * 2000), stores=stores)
    assert outcome.statuses == [Status.CAS_MISMATCH, Status.OK, Status.CAS_MISMATCH]
    (said,) = [event.message for event in outcome.host.events]  # the second comes within a second
    assert said == "proxy_set_shared_data answers CAS_MISMATCH: an entry of 2003 bytes is over max_size"
    assert outcome.host.shared_data == {b"key": b"1"}


def ttl(key: bytes, milliseconds: int) -> tuple[str | int | bytes, ...]:
    """The step that gives an entry a life of its own."""
    argument = milliseconds.to_bytes(4, "little") + key
    return ("request_headers", "proxy_call_foreign_function", b"set_shared_data_ttl", argument, OUT, OUT + 4)


def test_a_plugin_gives_an_entry_a_life() -> None:
    """By a foreign function of ours; a set gives it the configured one again."""
    steps = (
        ttl(b"key", 500),
        put(b"key", b"1"),
        put(b"kept", b"1"),
        ttl(b"key", 500),
        ttl(b"kept", 500),
        ttl(b"kept", 0),
    )
    with start(*steps) as host:
        stream = host.http_stream()
        stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
        assert Run(host, stream, "relay.wat").statuses == [Status.NOT_FOUND, *[Status.OK] * 5]
        host.advance(0.4)
        assert set(host.shared_data) == {b"key", b"kept"}
        host.advance(0.2)
        assert set(host.shared_data) == {b"kept"}


def test_the_life_of_an_entry_needs_its_four_bytes() -> None:
    """Whatever else comes."""
    call = "proxy_call_foreign_function"
    for argument in (b"", b"abc"):
        outcome = run(("request_headers", call, b"set_shared_data_ttl", argument, OUT, OUT + 4))
        assert outcome.statuses == [Status.BAD_ARGUMENT]


def test_the_life_of_an_entry_can_be_configured() -> None:
    """For a vm_id; it counts from the last set."""
    stores = Stores(Limits(ttl=2))
    with start(put(b"key", b"1"), stores=stores) as host:
        host.http_stream().request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
        host.advance(1.9)
        assert b"key" in host.shared_data
        host.advance(0.2)
        assert b"key" not in host.shared_data


def test_a_value_of_10_megabytes_is_refused_and_pushes_nothing_out() -> None:
    """The plugin goes on."""
    stores = Stores(Limits(max_size=1 << 20))
    huge = ("request_headers", SET, b"huge", 0x100, 10_000_000, 0)
    outcome = run(put(b"key", b"1"), ("request_headers", GROW, 160), huge, stores=stores)
    assert outcome.statuses == [Status.OK, Status.CAS_MISMATCH]
    assert outcome.host.shared_data == {b"key": b"1"}
    assert outcome.host.failures == 0


def test_a_flood_of_keys_takes_no_more_than_its_limit() -> None:
    """What was used longest ago goes; the plugin, and those of other vm_ids, go on."""
    stores = Stores(Limits(max_size=1 << 20))
    stores.space("other").set(b"key", b"1")
    flood = [("request_headers", SET, b"%d" % number, 0x100, 60_000, 0) for number in range(400)]
    outcome = run(*flood, stores=stores, callback_deadline=5000)
    assert outcome.statuses == [Status.OK] * 400
    assert list(outcome.host.shared_data) == [b"%d" % number for number in range(383, 400)]
    assert outcome.host.shared_data_of("other") == {b"key": b"1"}


def test_a_test_sets_and_sees_them() -> None:
    """`host.shared_data` is a mapping of what the plugin has in common with others."""
    with start(put(b"count", b"2", 1, "request_headers"), ("request_headers", SET, b"gone", 0, 0, 0)) as host:
        host.shared_data[b"count"] = b"1"
        host.shared_data[b"gone"] = b"x"
        assert host.shared_data.cas(b"count") == 1
        outcome = Run(host, host.http_stream(), "relay.wat")
        outcome.stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
        assert outcome.statuses == [Status.OK, Status.OK]
        assert host.shared_data == {b"count": b"2"}
        host.shared_data.expire(b"count", 5)
        host.advance(4.9)
        assert b"count" in host.shared_data
        host.advance(0.2)
        assert b"count" not in host.shared_data
