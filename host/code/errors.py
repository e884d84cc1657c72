"""The one way in which getting code fails."""

from __future__ import annotations


class CodeError(Exception):
    """Code that could not be had, or is not what it should be; the message says why.

    `is_final`: asking again would change nothing, as with a wrong digest.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
