"""The table of WASI functions against types worked out by hand from wasi_snapshot_preview1.witx."""

import pytest

from abi import WASI_FUNCTIONS, WASI_FUNCTIONS_BY_NAME, WasiErrno

# How witx types become WebAssembly types: a string or list is address and length, every result of a fallible
# function becomes an address after the parameters, and the error number is the i32 result.
SIGNATURES = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "clock_res_get": "ii",
    "clock_time_get": "iIi",
    "fd_advise": "iIIi",
    "fd_allocate": "iII",
    "fd_close": "i",
    "fd_datasync": "i",
    "fd_fdstat_get": "ii",
    "fd_fdstat_set_flags": "ii",
    "fd_fdstat_set_rights": "iII",
    "fd_filestat_get": "ii",
    "fd_filestat_set_size": "iI",
    "fd_filestat_set_times": "iIIi",
    "fd_pread": "iiiIi",
    "fd_prestat_get": "ii",
    "fd_prestat_dir_name": "iii",
    "fd_pwrite": "iiiIi",
    "fd_read": "iiii",
    "fd_readdir": "iiiIi",
    "fd_renumber": "ii",
    "fd_seek": "iIii",
    "fd_sync": "i",
    "fd_tell": "ii",
    "fd_write": "iiii",
    "path_create_directory": "iii",
    "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiiIIi",
    "path_link": "iiiiiii",
    "path_open": "iiiiiIIii",
    "path_readlink": "iiiiii",
    "path_remove_directory": "iii",
    "path_rename": "iiiiii",
    "path_symlink": "iiiii",
    "path_unlink_file": "iii",
    "poll_oneoff": "iiii",
    "proc_exit": "i",
    "proc_raise": "i",
    "sched_yield": "",
    "random_get": "ii",
    "sock_accept": "iii",
    "sock_recv": "iiiiii",
    "sock_send": "iiiii",
    "sock_shutdown": "ii",
}


def test_every_function_of_preview_1_is_there_with_its_types() -> None:
    """A module that imports any of them must link: run-times import more than they call."""
    assert {row.name: row.signature for row in WASI_FUNCTIONS} == SIGNATURES


def test_names_are_unique() -> None:
    """The linker refuses a second definition of a name."""
    assert len(WASI_FUNCTIONS_BY_NAME) == len(WASI_FUNCTIONS) == 46


def test_only_proc_exit_returns_nothing() -> None:
    """It does not come back to the guest; all others return an error number."""
    assert [row.name for row in WASI_FUNCTIONS if not row.result] == ["proc_exit"]


@pytest.mark.parametrize(
    ("name", "errno"),
    [
        ("fd_prestat_get", WasiErrno.BADF),
        ("fd_prestat_dir_name", WasiErrno.NOSYS),
        ("fd_read", WasiErrno.NOSYS),
        ("fd_readdir", WasiErrno.NOTDIR),
        ("fd_renumber", WasiErrno.NOTSUP),
        ("path_open", WasiErrno.NOENT),
        ("sock_accept", WasiErrno.NOTSUP),
    ],
)
def test_what_a_guest_may_not_have_is_refused_with_a_fixed_number(name: str, errno: WasiErrno) -> None:
    """These numbers are what lets each C library and run-time go on without files and sockets."""
    assert WASI_FUNCTIONS_BY_NAME[name].errno == errno


def test_served_functions_say_what_they_do() -> None:
    """The notes are shown to users; a row that is carried out without one says nothing."""
    assert all(row.note for row in WASI_FUNCTIONS if row.served)
    assert {row.name for row in WASI_FUNCTIONS if row.served} == {
        *("args_get", "args_sizes_get", "environ_get", "environ_sizes_get"),
        *("clock_res_get", "clock_time_get", "random_get", "sched_yield", "poll_oneoff", "proc_exit"),
        *("fd_write", "fd_fdstat_get", "fd_advise", "fd_allocate", "fd_datasync", "fd_sync"),
    }
