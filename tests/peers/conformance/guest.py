"""What every case has: a guest, which is a plugin of testdata/plugins or a relay that runs a script."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import wasmtime

from abi import Status
from testdata import relay

PLUGINS = Path(__file__).resolve().parents[3] / "testdata/plugins"
_RELAYED = re.compile("relay( [0-9a-f]{8}){3}")

Script = tuple[tuple[Any, ...], ...]
"""Steps of testdata/relay.py."""


@dataclass(frozen=True, slots=True)
class GuestCase:
    """`name` is also the name of the guest's instance."""

    name: str
    plugin: str  # a folder of testdata/plugins, or RELAY
    configuration: str
    _: KW_ONLY
    script: Script = ()
    allow_on_headers_stop_iteration: bool = False


RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where on loopback the servers are that a gateway and its guests may reach."""

    origin: int
    tcp: int
    grpc: int
    nobody: int  # nothing listens there


def module(case: GuestCase, directory: Path) -> Path:
    """Return the file of the case's guest; a relay is written into `directory`, its script within."""
    if case.plugin != RELAY:
        return PLUGINS / case.plugin / "plugin.wasm"
    file = directory / f"{case.name}.wasm"
    file.write_bytes(wasmtime.wat2wasm(relay.wat("relay.wat", relay.script(*case.script))))
    return file


def readable(line: str) -> str:
    """Return a line of log; that of a relay in words: the callback, the call and its status."""
    level, _, text = line.partition(": ")
    if not _RELAYED.fullmatch(text):
        return line
    phase, call, result = (int(number, 16) for number in text.split()[1:])
    name = relay.calls()[call].name
    return f"{level}: {list(relay.PHASES)[phase]}: {name} {Status(result).name}"
