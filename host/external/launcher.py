"""Runs one command as a process group of its own that does not outlive the gateway. A script, not a module of `host`.

The gateway starts it with `python -I -S launcher.py PID NAME`, its own pid and a name for listings of processes, and
writes what to run to standard input, as JSON. The first line of the output is the pid of the command, the rest what
the command writes. SIGTERM, which the kernel also sends when the gateway is gone, ends all that the command has left:
SIGTERM, a while, SIGKILL. The exit status is the command's; 127 and 126, as of a shell, where it cannot be run.

It stays between the two since a death signal reaches one process, not a group, and since a command whose parent is
process 1 of a container may take itself for an orphan.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_AWAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_AGAIN = 0.05  # seconds between two tries to kill what appears faster than it is killed
_GIVEN_UP = 2.0  # seconds for the kernel to end what was killed: a process in a system call may take for ever

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def main(gateway: int) -> NoReturn:
    """Run what standard input says, for the process `gateway`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != gateway:  # it ended before that was said
        os._exit(1)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what leaves the group is still found when the rest is ended
    try:
        order: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    except ValueError:  # the gateway ended while it wrote
        os._exit(1)
    launcher = os.getpid()
    child = os.fork()
    if child == 0:
        _become(order, launcher)
    _end_as(_attend(child, float(order["stop_timeout"])))


def _become(order: dict[str, Any], launcher: int) -> NoReturn:
    """Become the command."""
    status = _NOT_EXECUTABLE
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:
            os._exit(1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.write(1, b"%d\n" % os.getpid())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        command, folder = order["command"], order["folder"]
        if folder:
            os.chdir(folder)
        os.execvpe(command[0], command, order["environment"])
    except OSError as error:
        os.write(2, f"cannot run {_what_failed(order, error)}\n".encode("utf-8", "replace"))
        status = _NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else _NOT_EXECUTABLE
    except ValueError as error:  # a NUL in an argument
        os.write(2, f"cannot run the command: {error}\n".encode("utf-8", "replace"))
    finally:
        os._exit(status)


def _what_failed(order: dict[str, Any], error: OSError) -> str:
    program = order["command"][0]
    if order["folder"] and error.filename == order["folder"]:
        return f"{program} in {order['folder']}: {error.strerror}"
    if (
        "/" not in program and error.errno == errno.ENOENT
    ):  # which names the last place where it was looked for
        return f"{program}: not found in PATH"
    hint = "; its arguments are items of their own" if " " in program else ""
    return f"{program}: {error.strerror}{hint}"


def _attend(child: int, stop_timeout: float) -> int:
    """Wait for the child, or the order to end it, and then for all that it leaves. Returns its status of waitpid."""
    status = 0
    deadline: float | None = None
    while True:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == child:
                    status = found[1]
                    if deadline is None:
                        deadline = time.monotonic() + stop_timeout
                        _signal_all(child, signal.SIGTERM)
        if not _has_children():
            return status
        if deadline is None:
            if signal.sigwait(_AWAITED) != signal.SIGCHLD:
                deadline = time.monotonic() + stop_timeout
                _signal_all(child, signal.SIGTERM)
        elif (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait(_AWAITED, left)
        elif left > -_GIVEN_UP:
            _signal_all(child, signal.SIGKILL)
            signal.sigtimedwait(_AWAITED, _AGAIN)
        else:
            return status


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal_all(child: int, number: int) -> None:
    """Send the signal to the child's group, and to what has left the group and lost its parent."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, number)
    for other in _children():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(other) != child:
                os.kill(other, number)


def _children() -> list[int]:
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children") as listed:
            return [int(each) for each in listed.read().split()]
    except OSError:  # a kernel without that list: the group is all that is known
        return []


def _end_as(status: int) -> NoReturn:
    """End as the child did."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _prctl(_PR_SET_DUMPABLE, 0)  # there is one core file to look at already
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.kill(os.getpid(), -code)
        code = 128 - code
    os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
