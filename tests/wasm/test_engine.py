"""The process has one engine, whoever asks first."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from host.wasm.engine import engine
barrier, engines = threading.Barrier(8), []
def ask():
    barrier.wait()
    engines.append(engine())
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len({id(each) for each in engines}), len(engines))
"""


def test_threads_that_ask_at_once_get_the_same() -> None:
    """Plugins are compiled on several threads at a start; a module of one engine cannot run in another."""
    command = [sys.executable, "-c", f"import sys; sys.setswitchinterval(1e-6)\n{PROGRAM}"]
    for _ in range(5):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.split() == ["1", "8"]
