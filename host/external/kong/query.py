"""Asking a plugin server what plugins it has: its query command is run, for as long and as much as is bearable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Final

from host.config.kong_values import KongServer
from host.external.environment import environment_of
from host.external.kong.dump import Dump, DumpError, parse_dump

MAX_OUTPUT: Final = 4 * 1024 * 1024
"""Bytes that a dump may have."""

_NOT_FOUND: Final = 127  # a shell's status for a command that is not there
_GRACE: Final = 1.0  # seconds for a process that was killed to be gone
_ERROR_TEXT: Final = 2000  # bytes of standard error that are told


async def query(server: KongServer, within: float) -> Dump:
    """Return what the server's query command prints. Raises DumpError, which names the command."""
    if not server.query_command:
        raise DumpError("it has no query_cmd that would tell what plugins it has")
    try:
        return await _dump(server, within)
    except DumpError as error:
        raise DumpError(f"`{server.query_command}` {error}") from None
    except (OSError, TimeoutError) as error:
        reason = f"took over {within:g} s" if isinstance(error, TimeoutError) else str(error)
        raise DumpError(f"`{server.query_command}` {reason}") from None


class _Output(asyncio.SubprocessProtocol):
    """What a command writes, as far as is bearable. `ended`: it has written all, or too much. `closed`: it is over."""

    def __init__(self) -> None:
        self.written = {1: bytearray(), 2: bytearray()}  # by file descriptor
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It has written this."""
        self.written[fd] += data
        if len(self.written[fd]) > MAX_OUTPUT and not self.ended.done():
            self.ended.set_exception(DumpError(f"printed what is more than {MAX_OUTPUT} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, and so have its pipes."""
        self.closed.set_result(None)
        if not self.ended.done():
            self.ended.set_result(None)


async def _dump(server: KongServer, within: float) -> Dump:
    """Run the command in a process group of its own, none of which is left. Raises DumpError, TimeoutError, OSError."""
    transport, output = await asyncio.get_running_loop().subprocess_shell(
        _Output,
        server.query_command,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=server.folder,
        env=environment_of(server.inherit, server.environment, os.environ),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within):
            await output.ended
        status = transport.get_returncode()
    finally:
        if transport.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
        transport.close()
        await asyncio.wait([output.closed], timeout=_GRACE)
    written = bytes(output.written[2][-_ERROR_TEXT:]).decode("utf-8", "replace")
    said = " / ".join(line.strip() for line in written.splitlines() if line.strip())
    if status == _NOT_FOUND:
        raise DumpError(f"cannot be run: the command was not found ({said})")
    if status:
        raise DumpError(f"ended with status {status}: {said or 'it wrote nothing'}")
    try:
        return parse_dump(bytes(output.written[1]))
    except DumpError as error:
        raise DumpError(f"printed what {error}{'; it wrote: ' + said if said else ''}") from None
