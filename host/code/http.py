"""Bounded downloads: so many bytes, so many seconds, so many tries.

urllib3 does the protocol. It is imported when the first download begins: who has only files needs no urllib3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.code.errors import CodeError

if TYPE_CHECKING:
    import urllib3

_CHUNK = 64 * 1024
_AGAIN = (408, 429, 500, 502, 503, 504)
_REDIRECTS = 5
_PAUSE = 0.5
"""Seconds before the second try; each further one waits twice as long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpClient:
    """Downloads within limits. `timeout`: seconds for one try, `trusted_ca`: a PEM file besides the system's own.

    `verify`: False takes any certificate.
    """

    def __init__(
        self, *, timeout: float, retries: int, trusted_ca: Path | None = None, verify: bool = True
    ) -> None:
        self._timeout = timeout
        self._retries = retries
        self._trusted_ca = trusted_ca
        self._verify = verify

    def get(self, url: str, limit: int, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer, whatever its status, but after the tries that a passing failure gets.

        Raises CodeError when there is none, or when it is larger than `limit` bytes.
        """
        for turn in range(self._retries + 1):
            if turn:
                time.sleep(_PAUSE * 2.0 ** (turn - 1))
            try:
                answer = self._try(url, limit, headers or {})
            except CodeError as error:
                if error.is_final or turn == self._retries:
                    raise
            else:
                if answer.status not in _AGAIN or turn == self._retries:
                    return answer
        raise AssertionError("the last try returns or raises")

    def _try(self, url: str, limit: int, headers: Mapping[str, str]) -> Answer:
        pool = _pool(self._trusted_ca, self._verify)
        import urllib3

        end = time.monotonic() + self._timeout
        try:
            response = pool.request(
                "GET",
                url,
                headers={"Accept-Encoding": "identity", "User-Agent": "sluiceway", **headers},
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(self._timeout),
                retries=urllib3.Retry(None, connect=0, read=0, status=0, other=0, redirect=_REDIRECTS),
            )
            try:
                body = _read(response, url, limit, end)
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise CodeError(f"{url}: {_reason(error)}") from error
        return Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, body
        )


def _read(response: Any, url: str, limit: int, end: float) -> bytes:
    parts, size = [], 0
    while part := response.read(_CHUNK):
        size += len(part)
        if size > limit:
            raise CodeError(f"{url}: larger than {limit} bytes", is_final=True)
        if time.monotonic() > end:
            raise CodeError(f"{url}: did not arrive in time")
        parts.append(part)
    return b"".join(parts)


def _reason(error: BaseException) -> str:
    """The innermost cause: urllib3 wraps what happened more than once."""
    while (inner := getattr(error, "reason", None)) is not None and isinstance(inner, BaseException):
        error = inner
    return str(error) or repr(error)


@lru_cache(maxsize=16)
def _pool(trusted_ca: Path | None, verify: bool) -> urllib3.PoolManager:
    try:
        import urllib3
    except ModuleNotFoundError as error:
        raise CodeError("downloads need urllib3: pip install 'sluiceway[remote]'", is_final=True) from error
    import ssl

    context = ssl.create_default_context()
    if trusted_ca is not None:
        try:
            context.load_verify_locations(trusted_ca)
        except OSError as error:
            raise CodeError(f"trusted_ca {trusted_ca}: {error}", is_final=True) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return urllib3.PoolManager(ssl_context=context)
