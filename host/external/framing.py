"""Fields that no external plugin has a say in, whichever kind it is: the gateway writes them itself."""

from __future__ import annotations

from typing import Final

FRAMING: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Those of the hop and of the message's length, in lower case. Plugins send back what they were given."""
