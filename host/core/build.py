"""Builds `host._core`, the C core, with cffi in API mode.

The declarations are the `*.cdef.h` files of this folder (`types.cdef.h` first, as it names the types of the others),
the code is its `*.c` files and, for the calls that cffi would make slow, `cpython/*.c`. This module runs at build time
only and imports nothing of `host`, which needs its result.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

CORE = Path(__file__).resolve().parent
ROOT = CORE.parent.parent
# `abi` and the generator are there as sources only, and `host` has no core yet.
sys.path[:0] = [str(ROOT), str(CORE)]

from generate import write  # noqa: E402

COMPILE_ARGUMENTS = [
    "-std=c11",
    "-O3",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Werror=implicit-function-declaration",
    "-Wno-unused-parameter",
]


def declarations() -> str:
    """Return all cdef text, `types.cdef.h` first."""
    files = sorted(CORE.glob("*.cdef.h"), key=lambda path: (path.name != "types.cdef.h", path.name))
    return "\n".join(path.read_text() for path in files)


write(CORE / "generated")
ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "host._core",
    '#include "core.h"',
    sources=[
        str(path.relative_to(ROOT))
        # The module `_hot` lies in the same library (PEP 489): it shares the core's state.
        for path in sorted([*CORE.glob("*.c"), *CORE.glob("cpython/*.c"), CORE / "generated/abi.c"])
    ],
    include_dirs=[str(CORE.relative_to(ROOT))],
    depends=[str(path.relative_to(ROOT)) for path in sorted([*CORE.glob("*.h"), *CORE.glob("cpython/*.h")])],
    libraries=["dl", "pthread"],
    extra_compile_args=COMPILE_ARGUMENTS,
    py_limited_api=True,
)
