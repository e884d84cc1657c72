"""scripts/find-python on machines that lack something: each a PATH of its own, with nothing else on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/find-python"

PROGRAM = "#!/bin/sh\nexit 0\n"
OLD_PYTHON = "#!/bin/sh\nexit 1\n"  # it fails the question for its version, and each other one

# A Python that is new enough, but without what its options name: find-python asks by programs with these words.
PYTHON = """\
#!/bin/sh
case "$2" in
  *version_info*) exit 0 ;;
  *ensurepip*) exit {venv} ;;
  *Python.h*) exit {headers} ;;
esac
"""


def _run(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    for name, text in programs.items():
        path = folder / name.replace("_", ".")
        path.write_text(text)
        path.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("programs", "missing"),
    [
        pytest.param({}, "gcc make python3 python3-dev python3-venv", id="nothing"),
        pytest.param({"gcc": PROGRAM, "make": PROGRAM}, "python3 python3-dev python3-venv", id="no-python"),
        pytest.param(
            {"gcc": PROGRAM, "make": PROGRAM, "python3": OLD_PYTHON},
            "python3.11 python3.11-dev python3.11-venv",
            id="old-python",
        ),
        pytest.param({"make": PROGRAM, "python3": PYTHON.format(venv=0, headers=0)}, "gcc", id="no-compiler"),
        pytest.param(
            {"gcc": PROGRAM, "make": PROGRAM, "python3": PYTHON.format(venv=0, headers=1)},
            "python3-dev",
            id="no-headers",
        ),
        pytest.param(
            {"gcc": PROGRAM, "make": PROGRAM, "python3": PYTHON.format(venv=1, headers=0)},
            "python3-venv",
            id="no-venv",
        ),
        pytest.param(
            {
                "gcc": PROGRAM,
                "make": PROGRAM,
                "python3": OLD_PYTHON,
                "python3_12": PYTHON.format(venv=1, headers=1),
            },
            "python3.12-dev python3.12-venv",
            id="newer-python-beside-an-old-one",
        ),
    ],
)
def test_it_names_the_packages_that_are_missing(
    tmp_path: Path, programs: dict[str, str], missing: str
) -> None:
    """The last line can be pasted: it installs what is missing and nothing else."""
    result = _run(tmp_path, **programs)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == f"    sudo apt-get install -y {missing}"


def test_it_prints_the_interpreter_that_has_everything(tmp_path: Path) -> None:
    """An incomplete python3 does not hide a complete one of another version."""
    whole, part = PYTHON.format(venv=0, headers=0), PYTHON.format(venv=1, headers=1)
    result = _run(tmp_path, gcc=PROGRAM, make=PROGRAM, python3=part, python3_13=whole)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{tmp_path}/python3.13\n", "")


def test_it_takes_the_interpreter_that_runs_these_tests() -> None:
    """The stand-ins above answer as a real Python does: this one has all that is asked for."""
    result = subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, f"{sys.executable}\n")
