#!/usr/bin/env python3
"""Guests that make any host call with any arguments: testdata/wat/relay*.wat, from the tables of `abi`.

    relay.py            write the files anew
    relay.py --check    fail when they are not what the tables give

A relay exports, for each host call, a function `call_NAME` which hands its arguments on and returns the
result. It also makes host calls inside its callbacks, by a script that is its plugin configuration (or, for
vm_start, its VM configuration): `script` encodes one. Each host call of a script logs its result at INFO:
`log_line` gives the text.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from abi.hostcalls import HOSTCALLS, HOSTCALLS_BY_NAME, MODULE, hostcalls_of
from abi.signature import HostFunction, ValueType
from abi.types import AbiVersion, BufferType
from abi.wasi import MODULES, WASI_FUNCTIONS

WAT = Path(__file__).resolve().parent / "wat"

SCRATCH = 0x1000
"""Guest address of 60 KiB that belong to no one, for results."""
_SCRIPT = 0x10000
_SCRIPT_END = 0x20000
_HEAP = 0x20000
_PAGES = 8
_STEP = struct.Struct("<II12Q")
"""Phase, call, arguments."""

TRAP, LOOP, RETURN, GROW = "unreachable", "loop", "return", "memory.grow"
"""Steps that are no host calls: trap, never end, make the argument the callback's result, grow the memory by
the argument in pages."""
_SPECIAL = {TRAP: 0xFFFFFFFF, LOOP: 0xFFFFFFFE, RETURN: 0xFFFFFFFD, GROW: 0xFFFFFFFC}

PHASES = {
    # Parameters of the callback after the context; result when no step says another (None: it has none).
    "vm_start": (1, 1),
    "configure": (1, 1),
    "context_create": (1, None),
    "tick": (0, None),
    "request_headers": (2, 0),
    "request_body": (2, 0),
    "request_trailers": (1, 0),
    "response_headers": (2, 0),
    "response_body": (2, 0),
    "response_trailers": (1, 0),
    "log": (0, None),
    "done": (0, 1),
    "delete": (0, None),
    "queue_ready": (1, None),
    "http_call_response": (4, None),
    "grpc_receive_initial_metadata": (2, None),
    "grpc_receive": (2, None),
    "grpc_receive_trailing_metadata": (2, None),
    "grpc_close": (2, None),
    "foreign_function": (2, None),
    "new_connection": (0, 0),
    "downstream_data": (2, 0),
    "upstream_data": (2, 0),
    "downstream_connection_close": (1, None),
    "upstream_connection_close": (1, None),
}
"""The callbacks of a relay, without their prefix `proxy_on_`."""


def files() -> dict[str, tuple[AbiVersion, tuple[tuple[str, HostFunction], ...]]]:
    """The version and the host calls, each with its import module, of every generated file."""
    # The three are apart since Envoy links neither calls of other versions nor the whole of WASI.
    newest = hostcalls_of(AbiVersion.V0_2_1)
    oldest = hostcalls_of(AbiVersion.V0_1_0)
    base = [(MODULE, HOSTCALLS_BY_NAME[name]) for name in ("proxy_log", "proxy_get_buffer_bytes")]
    return {
        "relay.wat": (AbiVersion.V0_2_1, tuple((MODULE, row) for row in HOSTCALLS if row.name in newest)),
        "relay_0_1_0.wat": (
            AbiVersion.V0_1_0,
            tuple((MODULE, row) for row in HOSTCALLS if row.name in oldest or row.extension),
        ),
        "relay_wasi.wat": (
            AbiVersion.V0_2_1,
            (*base, *((MODULES[0], function) for function in WASI_FUNCTIONS)),
        ),
    }


def calls(file: str = "relay.wat") -> tuple[HostFunction, ...]:
    """The host calls that a relay makes, in the order that scripts number them."""
    return tuple(function for _, function in files()[file][1])


def script(*steps: tuple[str | int | bytes, ...], file: str = "relay.wat") -> bytes:
    """Encode steps as the configuration of a relay.

    A step is (phase, call, argument, ...): the call is the name of a host call or one of the special
    steps; an argument is an integer of either sign, or bytes, which become two arguments: address and size of
    a copy in the guest.
    Raises KeyError for a phase or call that the relay lacks, ValueError when the script is too long.
    """
    numbers = {function.name: number for number, function in enumerate(calls(file))} | _SPECIAL
    phases = {phase: number for number, phase in enumerate(PHASES)}
    address = _SCRIPT + 4 + len(steps) * _STEP.size
    head, data = struct.pack("<I", len(steps)), b""
    for phase, call, *given in steps:
        arguments: list[int] = []
        for argument in given:
            if isinstance(argument, bytes):
                arguments += (address + len(data), len(argument))
                data += argument
            else:
                arguments.append(int(argument) & 0xFFFFFFFFFFFFFFFF)
        arguments += [0] * (12 - len(arguments))
        head += _STEP.pack(phases[str(phase)], numbers[str(call)], *arguments)
    if len(head + data) > _SCRIPT_END - _SCRIPT:
        raise ValueError(
            f"a script of {len(head + data)} bytes: a relay has room for {_SCRIPT_END - _SCRIPT}"
        )
    return head + data


def log_line(phase: str, call: str, result: int, file: str = "relay.wat") -> str:
    """What a relay logs after a host call in a script."""
    number = [function.name for function in calls(file)].index(call)
    return f"relay {list(PHASES).index(phase):08x} {number:08x} {result & 0xFFFFFFFF:08x}"


def wat(file: str, fixed: bytes = b"") -> str:
    """The text of one relay; with a `fixed` script it has that within, and takes none from its configuration."""
    version, functions = files()[file]
    lines = [
        ";; Generated by testdata/relay.py from the tables of the ABI: do not edit.",
        "(module",
        *(f"  {_import(module, function)}" for module, function in functions),
        f'  (memory (export "memory") {_PAGES})',
        f'  (func (export "{version.marker}"))',
        _FIXED.strip("\n"),
        *(_forward(function) for _, function in functions),
        *(_run(number, function) for number, (_, function) in enumerate(functions)),
        f"  (table funcref (elem {' '.join(f'$run_{number}' for number in range(len(functions)))}))",
        *(_callback(number, phase, version, loads=not fixed) for number, phase in enumerate(PHASES)),
        *([_data(fixed)] if fixed else []),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _types(function: HostFunction) -> str:
    parameters = "".join(f" {parameter.type}" for parameter in function.parameters)
    results = "".join(f" {result}" for result in function.results)
    return (f" (param{parameters})" if parameters else "") + (f" (result{results})" if results else "")


def _import(module: str, function: HostFunction) -> str:
    return f'(import "{module}" "{function.name}" (func ${function.name}{_types(function)}))'


def _forward(function: HostFunction) -> str:
    arguments = "".join(f" (local.get {n})" for n in range(len(function.parameters)))
    return f'  (func (export "call_{function.name}"){_types(function)} (call ${function.name}{arguments}))'


def _run(number: int, function: HostFunction) -> str:
    loads = "".join(
        f" ({parameter.type}.load offset={8 + 8 * n} (local.get $step))"
        for n, parameter in enumerate(function.parameters)
    )
    result = "" if function.results == (ValueType.I32,) else " (i32.const 0)"
    return f"  (func $run_{number} (param $step i32) (result i32) (call ${function.name}{loads}){result})"


def _data(script: bytes) -> str:
    text = "".join(f"\\{byte:02x}" for byte in script)
    return f'  (data (i32.const {_SCRIPT}) "{text}")'


def _callback(number: int, phase: str, version: AbiVersion, *, loads: bool) -> str:
    count, result = PHASES[phase]
    if version is AbiVersion.V0_1_0 and phase in ("request_headers", "response_headers"):
        count = 1
    parameters = " (param i32" + " i32" * count + ")"
    buffer = {"vm_start": BufferType.VM_CONFIGURATION, "configure": BufferType.PLUGIN_CONFIGURATION}.get(
        phase
    )
    load = "" if buffer is None or not loads else f" (call $load (i32.const {int(buffer)}) (local.get 1))"
    call = f"(call $phase (i32.const {number}) (i32.const {result or 0}))"
    body = load + (f" {call}" if result is not None else f" (drop {call})")
    returns = "" if result is None else " (result i32)"
    return f'  (func (export "proxy_on_{phase}"){parameters}{returns}{body})'


_FIXED = f"""
  (data (i32.const 0) "relay")
  (global $heap (mut i32) (i32.const {_HEAP}))

  ;; A bump allocator: it frees nothing, and grows the memory as long as it may.
  (func $allocate (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (global.get $heap))
    (global.set $heap
      (i32.and (i32.add (i32.add (local.get $start) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (block $fits
      (loop $more
        (br_if $fits (i32.le_u (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (return (i32.const 0)))
    (local.get $start))

  ;; Takes the script from a buffer: 6 is the VM configuration, 7 the plugin's.
  (func $load (param $buffer i32) (param $size i32)
    (if (i32.eqz (local.get $size)) (then (return)))
    (if (i32.gt_u (local.get $size) (i32.const {_SCRIPT_END - _SCRIPT})) (then (unreachable)))
    (if
      (call $proxy_get_buffer_bytes
        (local.get $buffer) (i32.const 0) (local.get $size) (i32.const 64) (i32.const 68))
      (then (unreachable)))
    (memory.copy (i32.const {_SCRIPT}) (i32.load (i32.const 64)) (i32.load (i32.const 68))))

  ;; Writes a space before the address, and a number as eight hexadecimal digits at it.
  (func $hex (param $at i32) (param $value i32)
    (local $next i32) (local $digit i32)
    (i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 32))
    (local.set $next (i32.add (local.get $at) (i32.const 8)))
    (loop $more
      (local.set $next (i32.sub (local.get $next) (i32.const 1)))
      (local.set $digit (i32.and (local.get $value) (i32.const 15)))
      (i32.store8 (local.get $next)
        (i32.add (local.get $digit)
          (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
      (local.set $value (i32.shr_u (local.get $value) (i32.const 4)))
      (br_if $more (i32.gt_u (local.get $next) (local.get $at)))))

  ;; Runs the steps of a phase; the result is that of the callback.
  (func $phase (param $phase i32) (param $result i32) (result i32)
    (local $step i32) (local $left i32) (local $call i32)
    (local.set $step (i32.const {_SCRIPT + 4}))
    (local.set $left (i32.load (i32.const {_SCRIPT})))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $left)))
        (if (i32.eq (i32.load (local.get $step)) (local.get $phase))
          (then
            (local.set $call (i32.load offset=4 (local.get $step)))
            (if (i32.eq (local.get $call) (i32.const -1)) (then (unreachable)))
            (if (i32.eq (local.get $call) (i32.const -2)) (then (loop $for_ever (br $for_ever))))
            (if (i32.eq (local.get $call) (i32.const -3))
              (then (local.set $result (i32.load offset=8 (local.get $step))))
              (else (if (i32.eq (local.get $call) (i32.const -4))
                (then (drop (memory.grow (i32.load offset=8 (local.get $step)))))
                (else (call $step (local.get $phase) (local.get $call) (local.get $step))))))))
        (local.set $step (i32.add (local.get $step) (i32.const {_STEP.size})))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (local.get $result))

  ;; Makes one host call and logs "relay PHASE CALL RESULT".
  (func $step (param $phase i32) (param $call i32) (param $step i32)
    (local $result i32)
    (local.set $result (call_indirect (param i32) (result i32) (local.get $step) (local.get $call)))
    (call $hex (i32.const 6) (local.get $phase))
    (call $hex (i32.const 15) (local.get $call))
    (call $hex (i32.const 24) (local.get $result))
    (drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 32))))
"""


def main() -> int:
    """Write or check the generated files; the exit status is 1 when one is not what the tables give."""
    check = sys.argv[1:] == ["--check"]
    stale = [file for file in files() if not check or (WAT / file).read_text() != wat(file)]
    for file in stale:
        if check:
            print(f"{WAT / file} is not what testdata/relay.py gives", file=sys.stderr)
        else:
            (WAT / file).write_text(wat(file))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
