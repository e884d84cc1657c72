"""Images of plugins as registries have them: manifests and blobs, made by hand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(content: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    """What a manifest says of a blob."""
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def manifest(layers: list[tuple[bytes, str]], media_type: str = OCI_MANIFEST, config: bytes = b"{}") -> bytes:
    """A manifest of layers, each its content and media type."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [descriptor(*layer) for layer in layers],
        }
    ).encode()


def archive(files: dict[str, bytes], *, compressed: bool = True) -> bytes:
    """A tar archive, as a layer of an ordinary image is."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(output.getvalue(), mtime=0) if compressed else output.getvalue()
