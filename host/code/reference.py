"""Names of images, as `oci://` URLs: oci://REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST]."""

from __future__ import annotations

import re
from typing import NamedTuple

from host.code.errors import CodeError

_HUB = "docker.io"
_HUB_REGISTRY = "registry-1.docker.io"

# The grammar of the OCI distribution specification 1.1, "Pulling manifests".
_REFERENCE = re.compile(
    r"(?P<registry>[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?)"
    r"/(?P<repository>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LOOPBACK = re.compile(r"(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?")


class Reference(NamedTuple):
    """An image in a registry. `digest` is empty where none is named; the tag then decides."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def manifest(self) -> str:
        """What names the manifest in the registry's interface."""
        return self.digest or self.tag

    @property
    def base(self) -> str:
        """The registry's interface for this repository. Only a registry on this machine is spoken to without TLS."""
        host = _HUB_REGISTRY if self.registry == _HUB else self.registry
        scheme = "http" if _LOOPBACK.fullmatch(host) else "https"
        return f"{scheme}://{host}/v2/{self.repository}"


def parse(url: str) -> Reference:
    """Return what an `oci://` URL names. Raises CodeError."""
    match = _REFERENCE.fullmatch(url.removeprefix("oci://"))
    if match is None or not url.startswith("oci://"):
        raise CodeError(f"{url}: expected oci://REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST]", is_final=True)
    repository, tag, digest = match["repository"], match["tag"] or "", match["digest"] or ""
    if match["registry"] == _HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(match["registry"], repository, tag or ("" if digest else "latest"), digest)
