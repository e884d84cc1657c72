"""The C core on a stub engine under AddressSanitizer and UBSan, and its threads under ThreadSanitizer.

The engine's place is taken by C functions that play the guest, so that guest memory is a heap block of exactly its size
(stub_engine.h). SANITIZE_ROUNDS and SANITIZE_SEED lengthen and vary the fuzzing; a failure names the seed to repeat it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROUNDS = os.environ.get("SANITIZE_ROUNDS", "0")
SEED = os.environ.get("SANITIZE_SEED", "1")
PARTS = ("calls", "streams", "messages", "http2", "containers", "shared", "apisix")


def _has_sanitizers(folder: Path) -> bool:
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    for kind in ("address,undefined", "thread"):
        command = ["gcc", f"-fsanitize={kind}", str(source), "-o", str(folder / "probe")]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        if subprocess.run([folder / "probe"], capture_output=True, check=False).returncode:
            return False
    return True


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both programs."""
    folder = tmp_path_factory.mktemp("sanitize")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    if not _has_sanitizers(folder):
        pytest.skip("gcc has no sanitizers here (Debian: libasan, libubsan and libtsan come with gcc)")
    for kind in ("address", "thread"):
        subprocess.run([FOLDER / "build", kind, folder / kind], check=True, timeout=120)
    return folder


def _run(program: Path, *arguments: str) -> str:
    options = {"UBSAN_OPTIONS": "print_stacktrace=1", "TSAN_OPTIONS": "halt_on_error=1"}
    done = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | options,
        timeout=600 if ROUNDS != "0" else 60,
        check=False,
    )
    assert done.returncode == 0, f"{program.name} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.timeout(180)
def test_directed_facts(built: Path) -> None:
    """Each was a fault once, or would seldom be met by chance."""
    assert _run(built / "address/harness.address", "directed").count("directed: ") > 10


@pytest.mark.timeout(700)
@pytest.mark.parametrize("part", PARTS)
def test_fuzz(built: Path, part: str) -> None:
    """Nothing out of bounds, undefined or leaked; and after every step what must hold does (see the C files)."""
    assert f"{part}: " in _run(built / "address/harness.address", part, ROUNDS, SEED)


@pytest.mark.timeout(180)
def test_threads(built: Path) -> None:
    """The clock, the log store and the flags that threads share have no data race."""
    assert "threads: done" in _run(built / "thread/harness.thread")
