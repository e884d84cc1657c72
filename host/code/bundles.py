"""Where bundles are fetched from and unpacked to: each under the MD5 of its name, whole or not at all.

What was unpacked once stays, as in Tyk: another bundle has another name. The last one that was good is known by who
used it, and takes the place of one that is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from host.code.bundle import MANIFEST, MAX_BUNDLE_SIZE, check_name, unpack
from host.code.errors import CodeError
from host.code.http import HttpClient
from host.code.remote import NEGATIVE_SECONDS
from host.code.store import CodeStore

_TIMEOUT: Final = 5.0
_RETRIES: Final = 4


_failures: dict[str, tuple[float, str]] = {}
"""By URL: until when a failure to download is answered from memory, and what it was. A configuration that is changed by
the Admin API is made anew each time, and must not wait for a server that is down each time."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An unpacked bundle: its name and the folder that its files are in."""

    name: str
    folder: Path


Check = Callable[[Bundle], None]
"""Looks at a bundle's manifest and files. Raises CodeError for one that is not to be used."""


class Bundles:
    """The folder of unpacked bundles, and where they come from."""

    def __init__(
        self, folder: Path, base_url: str, *, verify_tls: bool = True, trusts_unpacked: bool = False
    ) -> None:
        """`base_url`: http, https or file; "": nothing is fetched. `trusts_unpacked`: what is there is not checked."""
        self._folder = folder
        self._base_url = base_url
        self._verify_tls = verify_tls
        self._trusts_unpacked = trusts_unpacked
        self._locks = CodeStore(folder)

    def get(self, name: str, check: Check) -> Bundle:
        """Return the bundle of this name, fetched if it is not there. Raises CodeError."""
        bundle = self._of(name)
        with self._locks.alone(name):
            if bundle.folder.is_dir():
                if not self._trusts_unpacked:
                    check(bundle)
            else:
                self._install(bundle, check)
        return bundle

    def _of(self, name: str) -> Bundle:
        key = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        return Bundle(name, self._folder / key)

    def _install(self, bundle: Bundle, check: Check) -> None:
        data = self._fetch(check_name(bundle.name))
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unpacked = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        except OSError as error:
            raise CodeError(f"{self._folder}: {error.strerror or error}", is_final=True) from error
        try:
            unpack(data, unpacked)
            if not (unpacked / MANIFEST).is_file():
                raise CodeError(f"it has no {MANIFEST}", is_final=True)
            check(Bundle(bundle.name, unpacked))
            os.rename(unpacked, bundle.folder)
        except OSError as error:
            raise CodeError(f"{bundle.folder}: {error.strerror or error}", is_final=True) from error
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)

    def _fetch(self, name: str) -> bytes:
        if not self._base_url:
            raise CodeError("there is no bundle_base_url to fetch it from", is_final=True)
        url = f"{self._base_url.rstrip('/')}/{quote(name)}"
        if url.startswith("file://"):
            return _read(Path(unquote(urlsplit(url).path)))
        until, failure = _failures.get(url, (0.0, ""))
        if time.monotonic() < until:
            raise CodeError(failure)
        try:
            return self._download(url)
        except CodeError as error:
            _failures[url] = (time.monotonic() + NEGATIVE_SECONDS, str(error))
            raise

    def _download(self, url: str) -> bytes:
        client = HttpClient(timeout=_TIMEOUT, retries=_RETRIES, verify=self._verify_tls)
        answer = client.get(url, MAX_BUNDLE_SIZE)
        if answer.status != 200:
            raise CodeError(f"{url}: status {answer.status}")
        return answer.body

    # --- the last good one

    def remember(self, user: str, name: str) -> None:
        """Note that a bundle of this name was good for its user: the id of an API."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            note = self._note(user)
            if note.is_file() and note.read_text() == name:
                return
            with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False) as temporary:
                temporary.write(name)
            os.replace(temporary.name, note)

    def last_good(self, user: str, check: Check) -> Bundle | None:
        """Return the last bundle that was good for its user and still is."""
        try:
            bundle = self._of(self._note(user).read_text())
            if not bundle.folder.is_dir():
                return None
            check(bundle)
        except (OSError, ValueError, CodeError):
            return None
        return bundle

    def _note(self, user: str) -> Path:
        return self._folder / f"{user}.last-good"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BUNDLE_SIZE + 1)
    except (OSError, ValueError) as error:
        raise CodeError(f"{path}: {getattr(error, 'strerror', None) or error}", is_final=True) from error
    if len(data) > MAX_BUNDLE_SIZE:
        raise CodeError(f"{path}: larger than {MAX_BUNDLE_SIZE} bytes", is_final=True)
    return data
