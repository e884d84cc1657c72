"""A real registry, the distribution's `docker-registry`, and how images get into it."""

from __future__ import annotations

import http.client
import json
import shutil
from base64 import b64encode
from pathlib import Path

from tests.code.images import OCI_MANIFEST, digest, manifest

BINARY = shutil.which("docker-registry") or "/usr/bin/docker-registry"

# bcrypt of "secret" with the least cost: a registry compares it for each request.
_HTPASSWD = "ann:$2b$04$rXdbvXnd3ultxleYXIltLOlcWd/xZuvpcS0b.FAA6emUwJPQjYCKy\n"
CREDENTIALS = {"username": "ann", "password": "secret"}


def configuration(folder: Path, port: int, *, locked: bool) -> Path:
    """Write what it is started with: images in the folder, the user above where it is locked."""
    (folder / "htpasswd").write_text(_HTPASSWD)
    auth = {"htpasswd": {"realm": "images", "path": str(folder / "htpasswd")}}
    text = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of no use"},
        **({"auth": auth} if locked else {}),
    }
    file = folder / "config.yml"
    file.write_text(json.dumps(text))
    return file


def push(
    port: int, repository: str, tag: str, layer: bytes, media_type: str, *, kind: str = OCI_MANIFEST
) -> None:
    """Put an image of one layer into the registry, as its interface has it."""
    for blob in (layer, b"{}"):
        location = _ask(port, "POST", f"/v2/{repository}/blobs/uploads/")
        separator = "&" if "?" in location else "?"
        _ask(port, "PUT", f"{location}{separator}digest={digest(blob)}", blob, "application/octet-stream")
    _ask(port, "PUT", f"/v2/{repository}/manifests/{tag}", manifest([(layer, media_type)], kind), kind)


def _ask(port: int, method: str, target: str, body: bytes = b"", media_type: str = "") -> str:
    """Send one request; return where an upload goes on."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        user = b64encode("{username}:{password}".format(**CREDENTIALS).encode()).decode()
        headers = {"Authorization": f"Basic {user}", **({"Content-Type": media_type} if media_type else {})}
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status not in (201, 202):
            raise RuntimeError(f"{method} {target}: {answer.status} {content!r}")
        return (answer.getheader("Location") or "").removeprefix(f"http://127.0.0.1:{port}")
    finally:
        connection.close()
