"""The functions of WASI preview 1, and what a Proxy-Wasm host answers to each, as one table.

Guests are compiled for WASI but get no files, sockets or processes: their standard streams are the log, their
environment is configuration, and the rest is refused in the way that lets each language's run-time start.
All functions of preview 1 are listed with its own arities, so that every WASI module links.

Sources: wasi_snapshot_preview1.witx for names and types; the host that Envoy runs for the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from abi.signature import HostFunction, Parameter, i32, i64
from abi.types import WasiErrno

MODULES = ("wasi_snapshot_preview1", "wasi_unstable")
"""Import modules that offer the table. The older one has the same types and lacks only ``sock_accept``;
where its structures differ (file status, poll subscriptions) no answer of ours writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WasiFunction(HostFunction):
    """One WASI function and the host's answer."""

    errno: WasiErrno | None
    """The one answer there ever is, or None when the function is carried out."""
    note: str = ""
    """What carrying it out comes to, for the ones that are."""

    @property
    def served(self) -> bool:
        """Whether the function is carried out rather than answered with a fixed error number."""
        return self.errno is None


def _served(name: str, parameters: tuple[Parameter, ...], note: str) -> WasiFunction:
    return WasiFunction(name=name, parameters=parameters, errno=None, note=note)


def _fixed(name: str, parameters: tuple[Parameter, ...], errno: WasiErrno) -> WasiFunction:
    return WasiFunction(name=name, parameters=parameters, errno=errno)


_STANDARD_STREAMS_ONLY = "SUCCESS without effect for the standard output and error, else BADF"
_IOVECS = i32("fd", "iovs_data", "iovs_size")
_FD_PATH = i32("fd", "path_data", "path_size")
_FD_FLAGS_PATH = i32("fd", "flags", "path_data", "path_size")
_TIMES = i64("atim", "mtim") + i32("fst_flags")
_RIGHTS = i64("fs_rights_base", "fs_rights_inheriting")

WASI_FUNCTIONS: tuple[WasiFunction, ...] = (
    _served("args_get", i32("argv", "argv_buf"), "no arguments: writes nothing"),
    _served("args_sizes_get", i32("return_argc", "return_argv_buf_size"), "zero and zero"),
    _served("environ_get", i32("environ", "environ_buf"), "the configured variables, each NAME=VALUE NUL"),
    _served(
        "environ_sizes_get",
        i32("return_environc", "return_environ_buf_size"),
        "count of the configured variables and bytes they take",
    ),
    _served("clock_res_get", i32("id", "return_resolution"), "1 ns; NOTSUP for other clocks"),
    _served(
        "clock_time_get",
        i32("id") + i64("precision") + i32("return_time"),
        "nanoseconds of the realtime and the monotonic clock; NOTSUP for others",
    ),
    _served("fd_advise", i32("fd") + i64("offset", "len") + i32("advice"), _STANDARD_STREAMS_ONLY),
    _served("fd_allocate", i32("fd") + i64("offset", "len"), _STANDARD_STREAMS_ONLY),
    _fixed("fd_close", i32("fd"), WasiErrno.SUCCESS),
    _served("fd_datasync", i32("fd"), _STANDARD_STREAMS_ONLY),
    _served(
        "fd_fdstat_get",
        i32("fd", "return_fdstat"),
        "a character device with the right to write for the standard output and error, else BADF",
    ),
    _fixed("fd_fdstat_set_flags", i32("fd", "flags"), WasiErrno.NOSYS),
    _fixed("fd_fdstat_set_rights", i32("fd") + _RIGHTS, WasiErrno.NOTSUP),
    _fixed("fd_filestat_get", i32("fd", "return_filestat"), WasiErrno.BADF),
    _fixed("fd_filestat_set_size", i32("fd") + i64("size"), WasiErrno.NOTSUP),
    _fixed("fd_filestat_set_times", i32("fd") + _TIMES, WasiErrno.NOTSUP),
    _fixed("fd_pread", _IOVECS + i64("offset") + i32("return_size"), WasiErrno.NOTSUP),
    # BADF for the first descriptor asked for is what ends the search of C libraries for open directories.
    _fixed("fd_prestat_get", i32("fd", "return_prestat"), WasiErrno.BADF),
    _fixed("fd_prestat_dir_name", _FD_PATH, WasiErrno.NOSYS),
    _fixed("fd_pwrite", _IOVECS + i64("offset") + i32("return_size"), WasiErrno.NOTSUP),
    _fixed("fd_read", i32("fd", "iovs_data", "iovs_size", "return_size"), WasiErrno.NOSYS),
    _fixed(
        "fd_readdir",
        i32("fd", "buf", "buf_size") + i64("cookie") + i32("return_size"),
        WasiErrno.NOTDIR,
    ),
    _fixed("fd_renumber", i32("fd", "to"), WasiErrno.NOTSUP),
    _fixed("fd_seek", i32("fd") + i64("offset") + i32("whence", "return_offset"), WasiErrno.SUCCESS),
    _served("fd_sync", i32("fd"), _STANDARD_STREAMS_ONLY),
    _fixed("fd_tell", i32("fd", "return_offset"), WasiErrno.NOTSUP),
    _served(
        "fd_write",
        i32("fd", "iovs_data", "iovs_size", "return_size"),
        "standard output logs at INFO, standard error at ERROR, less one final newline; else BADF",
    ),
    _fixed("path_create_directory", _FD_PATH, WasiErrno.NOTSUP),
    _fixed("path_filestat_get", _FD_FLAGS_PATH + i32("return_filestat"), WasiErrno.NOTSUP),
    _fixed("path_filestat_set_times", _FD_FLAGS_PATH + _TIMES, WasiErrno.NOTSUP),
    _fixed(
        "path_link",
        i32("old_fd", "old_flags", "old_path_data", "old_path_size")
        + i32("new_fd", "new_path_data", "new_path_size"),
        WasiErrno.NOTSUP,
    ),
    _fixed(
        "path_open",
        i32("fd", "dirflags", "path_data", "path_size", "oflags") + _RIGHTS + i32("fdflags", "return_fd"),
        WasiErrno.NOENT,
    ),
    _fixed("path_readlink", _FD_PATH + i32("buf", "buf_size", "return_size"), WasiErrno.NOTSUP),
    _fixed("path_remove_directory", _FD_PATH, WasiErrno.NOTSUP),
    _fixed(
        "path_rename",
        i32("fd", "old_path_data", "old_path_size", "new_fd", "new_path_data", "new_path_size"),
        WasiErrno.NOTSUP,
    ),
    _fixed(
        "path_symlink",
        i32("old_path_data", "old_path_size", "fd", "new_path_data", "new_path_size"),
        WasiErrno.NOTSUP,
    ),
    _fixed("path_unlink_file", _FD_PATH, WasiErrno.NOTSUP),
    # The schedulers of standard Go poll and yield from the start: an error would end the guest.
    _served("poll_oneoff", i32("in", "out", "nsubscriptions", "return_size"), "no event, at once"),
    WasiFunction(
        name="proc_exit",
        parameters=i32("rval"),
        results=(),
        errno=None,
        note="returns to the host; with code 0 during the start function that is success",
    ),
    _fixed("proc_raise", i32("sig"), WasiErrno.NOTSUP),
    _served("sched_yield", (), "nothing else runs: returns at once"),
    _served("random_get", i32("buf", "buf_size"), "random bytes; INVAL beyond the limit"),
    _fixed("sock_accept", i32("fd", "flags", "return_fd"), WasiErrno.NOTSUP),
    _fixed(
        "sock_recv",
        i32("fd", "ri_data", "ri_size", "ri_flags", "return_size", "return_flags"),
        WasiErrno.NOTSUP,
    ),
    _fixed("sock_send", i32("fd", "si_data", "si_size", "si_flags", "return_size"), WasiErrno.NOTSUP),
    _fixed("sock_shutdown", i32("fd", "how"), WasiErrno.NOTSUP),
)

WASI_FUNCTIONS_BY_NAME: Mapping[str, WasiFunction] = MappingProxyType(
    {row.name: row for row in WASI_FUNCTIONS}
)
