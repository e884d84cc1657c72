"""Where the code of a plugin comes from: over HTTP(S), or out of an OCI registry; kept on disk by its content.

Everything here blocks, and belongs on a helper thread. It must not know what is done with the bytes.
"""

from host.code.errors import CodeError
from host.code.remote import Fetcher, Remote
from host.code.signature import verify

__all__ = ["CodeError", "Fetcher", "Remote", "verify"]
