"""What a process that the gateway starts sees of the gateway's environment: what is named, and no more.

The gateway's own variables may hold credentials, which plugins of others have no business with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

ALWAYS: Final = ("PATH", "HOME", "LANG", "TZ")
"""Names that every process sees, where the gateway has them."""


def environment_of(
    inherit: Iterable[str], given: Iterable[tuple[str, str]], own: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment: of `own`, the gateway's, what is in `ALWAYS` and `inherit`; then `given`."""
    names = (*ALWAYS, *inherit)
    return {**{name: own[name] for name in names if name in own}, **dict(given)}
