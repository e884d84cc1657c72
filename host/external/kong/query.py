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
_ERROR_TEXT: Final = 2000  # bytes of standard error that are told


async def query(server: KongServer, within: float) -> Dump:
    """Return what the server's query command prints. Raises DumpError, which names the command."""
    if not server.query_command:
        raise DumpError("it has no query_cmd that would tell what plugins it has")
    try:
        return await _dump(server, within)
    except DumpError as error:
        raise DumpError(f"what `{server.query_command}` printed {error}") from None
    except (OSError, TimeoutError) as error:
        reason = f"took over {within:g} s" if isinstance(error, TimeoutError) else str(error)
        raise DumpError(f"`{server.query_command}` {reason}") from None


async def _dump(server: KongServer, within: float) -> Dump:
    """Run the command in a process group of its own, none of which is left. Raises DumpError, TimeoutError, OSError."""
    process = await asyncio.create_subprocess_shell(
        server.query_command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=server.folder,
        env=environment_of(server.inherit, server.environment, os.environ),
        start_new_session=True,
        limit=64 * 1024,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(within):
            output, errors = await asyncio.gather(
                _read(process.stdout, MAX_OUTPUT), _read(process.stderr, MAX_OUTPUT)
            )
            status = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    said = errors[-_ERROR_TEXT:].decode("utf-8", "replace").strip()
    if status == _NOT_FOUND:
        raise DumpError(f"is nothing: the command was not found ({said})")
    if status:
        raise DumpError(f"ended with status {status}: {said or 'it wrote nothing'}")
    try:
        return parse_dump(output)
    except DumpError as error:
        raise DumpError(f"{error}{'; it wrote: ' + said if said else ''}") from None


async def _read(stream: asyncio.StreamReader, most: int) -> bytes:
    parts, size = [], 0
    while part := await stream.read(65536):
        size += len(part)
        if size > most:
            raise DumpError(f"is more than {most} bytes")
        parts.append(part)
    return b"".join(parts)
