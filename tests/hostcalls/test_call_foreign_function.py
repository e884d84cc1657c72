"""proxy_call_foreign_function, the functions that the host has, and proxy_on_foreign_function."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from abi import BufferType, LogLevel, Status
from abi.limits import UNCOMPRESSED_MAX_BYTES
from abi.protobuf import decode_message, encode_message
from host.plugin import foreign
from host.plugin.foreign import ForeignAnswer, ForeignCall, ForeignFunctionError, foreign_function
from testdata import relay
from tests.hostcalls.relays import OUT, PHASES, Run, exchange, expect, in_phases, run, start

OK, NOT_FOUND, BAD = Status.OK, Status.NOT_FOUND, Status.BAD_ARGUMENT
SERIALIZATION_FAILURE, INTERNAL_FAILURE = Status.SERIALIZATION_FAILURE, Status.INTERNAL_FAILURE
CALL = "proxy_call_foreign_function"
AT = "request_headers"


def call(name: bytes, argument: bytes = b"", phase: str = AT) -> tuple[Any, ...]:
    """A step that calls a function; its result is where `Run.given` looks."""
    return (phase, CALL, name, argument, OUT, OUT + 4)


def outcome(name: bytes, argument: bytes = b"", **options: Any) -> tuple[Status, bytes]:
    """Status and result of one call."""
    made = run(call(name, argument), **options)
    (status,) = made.statuses
    return status, made.given() if status is OK else b""


def reverse(of: ForeignCall) -> bytes:
    """The function of java-host's test."""
    return of.arguments[::-1]


def test_a_function_of_the_users_gets_bytes_and_gives_bytes() -> None:
    """java-host's ForeignCall."""
    assert outcome(b"reverse", b"hello", foreign_functions={"reverse": reverse}) == (OK, b"olleh")


@pytest.mark.parametrize("name", [b"nothing", b"", b"compress ", b"\xff\0"])
def test_an_unknown_function_is_not_found(name: bytes) -> None:
    """ngx_wasm_module traps."""
    assert outcome(name) == (NOT_FOUND, b"")


def test_functions_can_be_called_in_every_phase() -> None:
    """At the start as well."""
    assert in_phases(CALL, b"compress", b"x", OUT, OUT + 4) == expect(OK)
    assert len(PHASES) == len(in_phases(CALL, b"compress", b"x", OUT, OUT + 4))


@pytest.mark.parametrize(
    ("out", "length_out", "written"),
    [(0, 0, bytes(8)), (OUT, 0, bytes(8)), (0, OUT + 4, b"\0\0\0\0\5\0\0\0")],
)
def test_each_out_pointer_may_be_null(out: int, length_out: int, written: bytes) -> None:
    """Who wants no result gives no room for it (Envoy)."""
    arguments = (AT, CALL, b"reverse", b"hello", out, length_out)
    made = run(arguments, foreign_functions={"reverse": reverse})
    assert made.statuses == [OK]
    assert made.host.read_memory(OUT, 8) == written


@pytest.mark.parametrize(
    "arguments",
    [
        (0xFFFFFFF0, 100, 0, 0, OUT, OUT + 4),
        (0, 0, 0xFFFFFFF0, 100, OUT, OUT + 4),
        (0, 0, 0, 0, 0xFFFFFFFD, OUT),
        (0, 0, 0, 0, OUT, 0xFFFFFFFD),
    ],
)
def test_pointers_outside_of_the_memory_are_refused(arguments: tuple[int, ...]) -> None:
    """Before the function is looked for."""
    assert run((AT, CALL, *arguments)).statuses == [Status.INVALID_MEMORY_ACCESS]


# --- functions of the user's that misbehave


def test_a_function_that_raises_is_an_internal_failure_with_a_line() -> None:
    """Nothing reaches the guest or the event loop."""

    def fails(of: ForeignCall) -> bytes:
        raise RuntimeError("no such luck")

    made = run(call(b"f"), foreign_functions={"f": fails})
    assert made.statuses == [INTERNAL_FAILURE]
    (event,) = made.host.events
    assert (event.level, event.plugin) == (LogLevel.ERROR, "relay")
    assert event.message == "foreign function f failed: RuntimeError('no such luck')"


@pytest.mark.parametrize(
    ("returned", "kind"), [("text", "str"), (7, "int"), ([b"x"], "list"), (True, "bool")]
)
def test_a_function_that_returns_no_bytes_is_an_internal_failure(returned: Any, kind: str) -> None:
    """None stands for no bytes."""
    made = run(call(b"f"), foreign_functions={"f": lambda of: returned})
    assert made.statuses == [INTERNAL_FAILURE]
    assert made.host.events[0].message == f"foreign function f returned {kind}, not bytes or None"


@pytest.mark.parametrize("returned", [None, b"", bytearray(), memoryview(b"")])
def test_no_result_is_an_empty_one(returned: Any) -> None:
    """Address and length 0: the guest's allocator is not asked."""
    made = run(call(b"f"), foreign_functions={"f": lambda of: returned})
    assert made.statuses == [OK]
    assert made.host.read_memory(OUT, 8) == bytes(8)


def test_a_function_chooses_its_status() -> None:
    """The reason is for the operator."""

    def refuses(of: ForeignCall) -> bytes:
        raise ForeignFunctionError(Status.PARSE_FAILURE, "line 3")

    made = run(call(b"f"), foreign_functions={"f": refuses})
    assert made.statuses == [Status.PARSE_FAILURE]
    assert made.host.events[0].message == "foreign function f: PARSE_FAILURE: line 3"


def test_a_slow_function_is_told_of() -> None:
    """It held up the worker."""
    made = run(call(b"f"), foreign_functions={"f": lambda of: time.sleep(0.06)})
    assert made.statuses == [OK]
    assert made.host.events[0].message.startswith("foreign function f held up the worker for ")


def test_the_time_of_a_function_is_the_callbacks() -> None:
    """One that computes for too long costs the guest its VM, as if it had computed itself."""

    def spin(of: ForeignCall) -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    steps = [(AT, CALL, b"f", b"", 0, 0), (AT, relay.LOOP)]
    host = start(*steps, foreign_functions={"f": spin}, callback_deadline=20)
    began = time.thread_time()
    stream = exchange(host)
    assert stream.to_client.status == 503
    assert host.last_failure is not None
    assert "deadline of 20 ms" in host.last_failure.reason
    assert time.thread_time() - began < 1


def test_a_large_result_reaches_the_guest_whole() -> None:
    """Its memory grows for it."""
    status, data = outcome(b"f", foreign_functions={"f": lambda of: bytes(range(256)) * 4096})
    assert (status, len(data), data[255:258]) == (OK, 1 << 20, b"\xff\0\1")


def test_a_result_that_has_no_room_costs_the_guest_alone() -> None:
    """This guest's allocator traps when the memory may not grow."""
    made = run(call(b"f"), foreign_functions={"f": lambda of: bytes(64 << 20)}, memory_limit=16 << 20)
    assert made.host.failures == 1
    assert made.stream.to_client.status == 503


# --- registration


@pytest.fixture
def registered() -> Iterator[Callable[..., Any]]:
    """The decorator; what it registers is forgotten behind the test."""
    before = dict(foreign.REGISTERED)
    yield foreign_function
    foreign.REGISTERED.clear()
    foreign.REGISTERED.update(before)


def test_the_decorator_registers_for_the_process(registered: Callable[..., Any]) -> None:
    """A function of the host's can be replaced, and the gateway's configuration goes before."""

    @registered("compress")
    def mine(of: ForeignCall) -> bytes:
        return b"mine:" + of.arguments

    assert outcome(b"compress", b"x") == (OK, b"mine:x")
    assert outcome(b"compress", b"x", foreign_functions={"compress": reverse}) == (OK, b"x")


def test_a_function_knows_who_calls() -> None:
    """The plugin, the context, and the exchange where there is one."""
    seen: list[tuple[str, int, bool]] = []

    def note(of: ForeignCall) -> None:
        seen.append((of.plugin, of.context, of.stream is not None))

    run(call(b"f", phase="configure"), call(b"f"), foreign_functions={"f": note})
    assert seen == [("relay", 1, False), ("relay", 2, True)]


# --- answers that come later


def answering(phase: str = AT, *more: Any) -> tuple[Any, list[ForeignAnswer]]:
    """A host whose guest asks in a phase, reads what it gets, and the answers to give."""
    answers: list[ForeignAnswer] = []

    def ask(of: ForeignCall) -> None:
        answers.append(of.answer_later())

    read = (
        "foreign_function",
        "proxy_get_buffer_bytes",
        BufferType.FOREIGN_FUNCTION_ARGUMENTS,
        0,
        99,
        OUT,
        OUT + 4,
    )
    host = start(call(b"ask", phase=phase), read, *more, foreign_functions={"ask": ask})
    return host, answers


def test_an_answer_comes_later_under_the_stream_that_asked() -> None:
    """The guest reads it as buffer 8; the function's number is passed on."""
    host, answers = answering()
    stream = host.http_stream()
    stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
    assert host.trace("proxy_on_foreign_function") == []
    answers[0].send(b"the answer", function_id=7)
    host.advance(0)
    (row,) = host.trace("proxy_on_foreign_function")
    assert row.arguments == (2, 7, 10)
    assert row.context == 2
    assert Run(host, stream, "relay.wat").given() == b"the answer"


def test_an_answer_can_resume_what_waits_for_it() -> None:
    """As resolve_lua of ngx_wasm_module is used."""
    host, answers = answering(AT, (AT, relay.RETURN, 1), ("foreign_function", "proxy_continue_stream", 0))
    stream = host.http_stream()
    stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
    assert stream.request_paused
    answers[0].send(b"")
    host.advance(0)
    assert stream.to_upstream.ended


def test_an_answer_to_a_plugin_context_comes_under_it() -> None:
    """Also to one that asked while its VM was being built; several may come."""
    host, answers = answering("configure")
    answers[0].send(b"1")
    answers[0].send(b"2")
    host.advance(0)
    assert [row.arguments for row in host.trace("proxy_on_foreign_function")] == [(1, 0, 1), (1, 0, 1)]


def test_an_answer_to_what_is_gone_is_dropped() -> None:
    """The stream has ended, or the VM has failed."""
    host, answers = answering()
    exchange(host)
    answers[0].send(b"too late")
    host.advance(0)
    assert host.trace("proxy_on_foreign_function") == []
    host.close()
    answers[0].send(b"far too late")
    host.advance(0)


def test_an_answer_may_be_sent_from_another_thread() -> None:
    """What waits for a database waits there."""
    host, answers = answering("configure")
    thread = threading.Thread(target=answers[0].send, args=(b"x",))
    thread.start()
    thread.join()
    host.advance(0)
    assert len(host.trace("proxy_on_foreign_function")) == 1


def test_a_trap_in_an_answer_costs_one_vm() -> None:
    """As in any callback."""
    host, answers = answering("configure", ("foreign_function", relay.TRAP))
    answers[0].send(b"x")
    host.advance(0)
    assert host.failures == 1
    assert host.is_up


# --- compress, uncompress


def test_2000_bytes_are_compressed_and_come_back() -> None:
    """Envoy's Foreign test: 2,000 equal bytes become about 23."""
    status, small = outcome(b"compress", b"a" * 2000)
    assert status is OK
    assert len(small) == 23
    assert outcome(b"uncompress", small) == (OK, b"a" * 2000)


def test_no_bytes_are_compressed() -> None:
    """The result is zlib's frame."""
    assert outcome(b"compress") == (OK, zlib.compress(b""))


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"garbage", zlib.compress(b"hello")[:-1], zlib.compress(b"x" * 999)[:9]]
)
def test_what_zlib_does_not_read_is_a_serialization_failure(data: bytes) -> None:
    """Envoy's status; for bytes that end early it never returns."""
    assert outcome(b"uncompress", data) == (SERIALIZATION_FAILURE, b"")


def test_what_is_behind_the_end_is_left_alone() -> None:
    """As zlib's uncompress does."""
    assert outcome(b"uncompress", zlib.compress(b"hello") + b"more") == (OK, b"hello")


def test_a_bomb_is_refused_before_it_has_grown() -> None:
    """16 MiB are the most."""
    made = run(call(b"uncompress", zlib.compress(bytes(UNCOMPRESSED_MAX_BYTES + 1))), callback_deadline=5000)
    assert made.statuses == [SERIALIZATION_FAILURE]
    assert outcome(b"uncompress", zlib.compress(bytes(1 << 20)), callback_deadline=5000)[0] is OK


# --- routes, properties


def test_clear_route_cache_is_there() -> None:
    """It has nothing to do."""
    assert outcome(b"clear_route_cache") == (OK, b"")


def test_a_declared_property_is_set_once() -> None:
    """Read-only, as Envoy has it: the first value stays."""
    declare = encode_message({1: b"mine", 2: 1})
    made = run(
        call(b"declare_property", declare, "configure"),
        call(b"declare_property", declare, "configure"),
        call(b"declare_property", encode_message({1: b"other"}), "configure"),
        (AT, "proxy_set_property", b"mine", b"1"),
        (AT, "proxy_set_property", b"mine", b"2"),
        (AT, "proxy_set_property", b"other", b"1"),
        (AT, "proxy_set_property", b"other", b"2"),
        (AT, "proxy_get_property", b"mine", OUT, OUT + 4),
    )
    assert made.statuses == [OK, BAD, OK, OK, BAD, OK, OK, OK]
    assert made.given() == b"1"


@pytest.mark.parametrize(
    "arguments", [b"", b"\x0a", b"\x0a\x7fx", b"\x08\1", b"\0\0", b"\xff" * 20, b"\x0b\x0c"]
)
def test_arguments_that_are_no_message_are_a_bad_argument(arguments: bytes) -> None:
    """For every function that takes one."""
    made = run(
        *(
            call(name, arguments)
            for name in (b"declare_property", b"set_envoy_filter_state", b"sign", b"verify_signature")
        )
    )
    assert made.statuses == [BAD] * 4


def test_filter_state_is_read_as_a_property() -> None:
    """And outside of an exchange there is none."""
    arguments = encode_message({1: b"my.key", 2: b"value"})
    made = run(
        call(b"set_envoy_filter_state", arguments, "configure"),
        call(b"set_envoy_filter_state", arguments),
        (AT, "proxy_get_property", b"filter_state\0my.key", OUT, OUT + 4),
    )
    assert made.statuses == [NOT_FOUND, OK, OK]
    assert made.given() == b"value"


# --- signatures

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def public(key: Any, encoding: serialization.Encoding) -> bytes:
    """A public key in DER or PEM."""
    data: bytes = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return data


def private(key: Any, encoding: serialization.Encoding) -> bytes:
    """A private key in DER or PEM."""
    data: bytes = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return data


DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


@pytest.mark.parametrize("hash_", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
@pytest.mark.parametrize("encoding", [DER, PEM], ids=["der", "pem"])
def test_what_is_signed_can_be_verified(hash_: str, key: Any, encoding: Any) -> None:
    """Both functions, with both forms of keys; a changed text is told apart."""
    numbers = (2, 2) if encoding is DER else (4, 5)
    status, result = outcome(
        b"sign",
        encode_message({1: hash_.encode(), numbers[0]: private(key, encoding), 3: b"text"}),
        callback_deadline=1000,
    )
    fields = decode_message(result)
    assert (status, fields[1]) == (OK, 1)
    for text, expected in ((b"text", {1: 1}), (b"tExt", {2: b"Failed to verify digest."})):
        arguments = {1: hash_.encode(), numbers[1]: public(key, encoding), 3: fields[2], 4: text}
        status, verified = outcome(b"verify_signature", encode_message(arguments), callback_deadline=1000)
        assert (status, decode_message(verified)) == (OK, expected)


def test_a_signature_made_elsewhere_is_verified() -> None:
    """RSA with PKCS #1 v1.5, as OpenSSL's EVP_DigestVerify does it."""
    signature = RSA.sign(b"hello", padding.PKCS1v15(), hashes.SHA256())
    arguments = encode_message({1: b"sha256", 2: public(RSA, DER), 3: signature, 4: b"hello"})
    assert outcome(b"verify_signature", arguments) == (OK, encode_message({1: 1}))


def test_an_unknown_digest_is_a_result_and_no_status() -> None:
    """Envoy's text."""
    arguments = encode_message({1: b"md5", 2: public(RSA, DER), 3: b"s", 4: b"t"})
    assert outcome(b"verify_signature", arguments) == (OK, encode_message({2: b"md5 is not supported."}))
    arguments = encode_message({1: b"", 2: private(RSA, DER), 3: b"t"})
    assert outcome(b"sign", arguments, callback_deadline=1000) == (
        OK,
        encode_message({3: b" is not supported."}),
    )


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {2: b"no key"},
        {5: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
        {2: public(RSA, DER), 5: public(RSA, PEM)},
        {2: public(ed25519.Ed25519PrivateKey.generate(), DER)},
        {2: 5},
    ],
)
def test_keys_that_cannot_be_used_are_a_bad_argument(keys: dict[int, Any]) -> None:
    """None, two, garbage, or a kind that signs no digests."""
    arguments = encode_message({1: b"sha256", **keys, 3: b"s", 4: b"t"})
    assert outcome(b"verify_signature", arguments) == (BAD, b"")
