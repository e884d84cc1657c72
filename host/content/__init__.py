"""Content codings (RFC 9110, 8.4): bodies decoded on their way into a chain whose filters want to read them.

Decoding is bounded: what comes out of one read is limited, and given on in pieces, so that no few bytes of a peer's use
up the memory. It must not know streams, chains or wire protocols.
"""

from host.content.codings import SUPPORTED, CodingError, Decoder, new_decoder
from host.content.fields import decoded_request, decoded_response

__all__ = ["SUPPORTED", "CodingError", "Decoder", "decoded_request", "decoded_response", "new_decoder"]
