"""The wasmtime engine of the process, one more for guests that are given fuel, and the C core's hold on it.

wasmtime-py sets up (configuration, compiling); every guest call goes through the C core, which looks the C API's
functions up in the library that wasmtime-py has loaded.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import threading
from functools import cache
from importlib.metadata import version
from typing import Any

import wasmtime
from wasmtime import _ffi as wasmtime_library

from host._core import ffi, lib

WASMTIME_VERSION = version("wasmtime")

_SETTINGS = {
    # A guest call is bounded by the epoch, which costs a compare at loop heads and function entries.
    "epoch_interruption": True,
    # What the ABI cannot use is refused at compile time instead of failing in odd ways later: host calls take 32-bit
    # addresses of one memory that belongs to one thread.
    "wasm_memory64": False,
    "wasm_multi_memory": False,
    "wasm_threads": False,
    "wasm_component_model": False,
}


class EngineError(RuntimeError):
    """The wasmtime library is not one that the C core can work with."""


_DETAILS = "WASMTIME_BACKTRACE_DETAILS"
"""wasmtime's own variable, and the one way in which its C API takes this setting: 1 keeps debug sections of modules, so
that a trap's frames have file and line. Reading them takes milliseconds at each trap."""


def keep_debug_sections() -> None:
    """Show file and line of a guest's frames, unless the environment decides. Before the first use of `engine`."""
    os.environ.setdefault(_DETAILS, "1")


def _new_engine(*, metered: bool) -> wasmtime.Engine:
    config = wasmtime.Config()
    for name, value in _SETTINGS.items():
        setattr(config, name, value)
    if metered:
        config.consume_fuel = True
    return wasmtime.Engine(config)


def pointer_of(managed: Any, kind: str) -> Any:
    """Return the native pointer inside a wasmtime-py object as a cffi pointer of the type `kind`."""
    address = ctypes.cast(managed.ptr(), ctypes.c_void_p).value
    return ffi.cast(kind, address)


_one_engine = threading.Lock()


def engine(*, metered: bool = False) -> wasmtime.Engine:
    """Return the process's engine, to any thread; the first call starts the clock that bounds guest calls.

    `metered`: the one whose guests are given fuel. Counting it is compiled into their code and costs each of their
    instructions, so that it is an engine of its own, for those plugins alone.
    Raises EngineError when the installed wasmtime lacks what the core needs.
    """
    with _one_engine:  # a cache alone would let two threads make one each
        return _engine(metered)


@cache
def _engine(metered: bool) -> wasmtime.Engine:
    missing = lib.sw_engine_load(str(wasmtime_library.filename).encode())
    if missing != ffi.NULL:
        name = ffi.string(missing).decode()
        raise EngineError(f"wasmtime {WASMTIME_VERSION}: the C core cannot use its library: {name}")
    new = _new_engine(metered=metered)
    if error := lib.sw_clock_start(engine_pointer(new)):
        raise EngineError(f"the clock thread did not start: errno {error}")
    atexit.register(lib.sw_clock_stop)  # the thread must not outlive the engine
    return new


def bind_thread() -> None:
    """Say that guests serve streams on the calling thread: the clock samples its CPU time.

    Guests run on any thread; on others each call reads the CPU clock itself, a system call that costs as much as a
    short callback.
    """
    lib.sw_clock_bind_thread()


def engine_pointer(of: wasmtime.Engine | None = None) -> Any:
    """Return the engine as `wasm_engine_t *`."""
    return pointer_of(of if of is not None else engine(), "wasm_engine_t *")


def compile_key(*, metered: bool = False) -> str:
    """Return what makes compiled code unusable elsewhere: engine version and settings, as a hexadecimal digest.

    The machine's instruction set is not part of it: wasmtime itself refuses code for features that are absent.
    """
    text = f"{WASMTIME_VERSION} {os.environ.get(_DETAILS) == '1'} {sorted(_SETTINGS.items())}"
    return hashlib.sha256((text + " fuel" * metered).encode()).hexdigest()[:16]
