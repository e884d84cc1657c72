"""Dispatchers that the tests of gRPC hooks start."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Dispatcher:
    """A process. `port` of loopback; `sent` takes the next object that it was sent."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._objects: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._objects.put(json.loads(line))

    def sent(self) -> dict[str, Any]:
        """Wait for it."""
        return self._objects.get(timeout=20)


@contextmanager
def dispatching(address: str = "127.0.0.1:0") -> Iterator[Dispatcher]:
    """Run one until the block ends. Skips where grpcio and its tools are not installed."""
    for module in ("grpc", "grpc_tools"):
        pytest.importorskip(module, reason=f"{module} is not installed (it comes with the extra `dev`)")
    command = [sys.executable, str(Path(__file__).with_name("dispatcher.py")), address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Dispatcher(process, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)
