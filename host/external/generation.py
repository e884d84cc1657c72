"""Which run of a peer a connection leads to.

Tokens and ids that a peer gives count from the start again when it is started anew: one that was kept would then name
something else without a word. So each is kept with the generation it came from, and used with no other.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass

_UCRED = struct.Struct("3i")  # <sys/socket.h>: struct ucred, pid uid gid


@dataclass(frozen=True, slots=True)
class Generation:
    """Equal for connections to one run of a peer, and different for another run.

    `pid`: the process that listens, 0 where it is in another namespace. `device`, `inode`: of the socket's file.
    `changed`: nanoseconds of the clock when that was made; the number of a removed file's inode is used again at once.
    `epoch`: counted by who connects where the pid tells nothing, else 0.
    """

    pid: int
    device: int
    inode: int
    changed: int = 0
    epoch: int = 0


def generation_of(connected: socket.socket, epoch: int = 0) -> Generation:
    """Return the generation at the other end of a unix socket. Raises OSError when the socket is not connected.

    `epoch`: changes whenever the peer may have been started anew; it counts where the peer's pid cannot be told.
    The file's place is the socket's own name for its peer; without a file (any more) those of the file are 0.
    """
    pid = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[0]
    try:
        found = os.stat(connected.getpeername())
    except (OSError, ValueError):
        device = inode = changed = 0
    else:
        device, inode, changed = found.st_dev, found.st_ino, found.st_ctime_ns
    return Generation(pid, device, inode, changed, 0 if pid else epoch)
