"""Credentials for registries, from a file in the form of Docker's config.json (also `kubectl`'s and `oras`'s)."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import NamedTuple

from host.code.errors import CodeError

_HUB_KEYS = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")


class Credentials(NamedTuple):
    """A name and a password; a registry may call them otherwise."""

    name: str
    password: str

    @property
    def basic(self) -> str:
        """The value of Authorization (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.name}:{self.password}".encode()).decode()


def read(file: Path, registry: str) -> Credentials | None:
    """Return what the file has for a registry, None where it has nothing. Raises CodeError for another file."""
    try:
        auths = json.loads(file.read_text())["auths"]
        entries = {_host(key): value for key, value in auths.items()}
        keys = _HUB_KEYS if registry == "docker.io" else (registry,)
        entry = next((entries[_host(key)] for key in keys if _host(key) in entries), None)
        if entry is None:
            return None
        if "auth" in entry:
            name, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
            return Credentials(name, password)
        return Credentials(str(entry["username"]), str(entry["password"]))
    except OSError as error:
        raise CodeError(f"image_pull_secret {file}: {error.strerror}", is_final=True) from error
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise CodeError(
            f"image_pull_secret {file}: expected the form of Docker's config.json ({error!r})", is_final=True
        ) from error


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]
