"""The foreign function of shared data, which is Sluiceway's own: the life of one entry."""

from __future__ import annotations

from abi.types import Status
from host.plugin.foreign import BUILT_IN, ForeignCall, ForeignFunctionError
from host.store import Refused


def set_shared_data_ttl(call: ForeignCall) -> None:
    """Let an entry of the shared data live so long from now on.

    Arguments: milliseconds in 4 bytes, little-endian, 0 for ever; then the key. The next set of the key gives it the
    configured `ttl` again. NOT_FOUND without such an entry, BAD_ARGUMENT for less than 4 bytes.
    """
    if len(call.arguments) < 4:
        raise ForeignFunctionError(Status.BAD_ARGUMENT)
    milliseconds, key = int.from_bytes(call.arguments[:4], "little"), call.arguments[4:]
    try:
        status = call.shared_data().expire(key, milliseconds / 1000)
    except Refused as error:
        raise ForeignFunctionError(Status.INTERNAL_FAILURE, str(error)) from error
    if status is not Status.OK:
        raise ForeignFunctionError(status)


BUILT_IN.update(set_shared_data_ttl=set_shared_data_ttl)
