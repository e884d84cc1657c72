"""The Admin API's keys as a value: which of the two places they stand in, and whether it shares the gateway's port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from host.config import model
from host.config.document import Document
from host.config.model import ADMIN_PREFIX
from host.config.schema.admin import Admin, AdminListen
from host.config.schema.gateway import Apisix, Deployment
from host.errors import Problem

_OLDER: Final = {"admin_key": "admin_key", "allow_admin": "allow_admin", "port_admin": "admin_listen"}
"""Keys of APISIX 2 under `apisix`, and what they are called under `deployment.admin`."""


def admin(apisix: Apisix, deployment: Deployment, folder: Path) -> model.Admin | None:
    """Return what the keys say, None where it is not to be served; `folder` is what paths start from."""
    older = apisix.model_fields_set & _OLDER.keys()
    if apisix.enable_admin is False or not (apisix.enable_admin or older or deployment.admin):
        return None
    settings = deployment.admin or Admin()
    listen = settings.admin_listen
    if apisix.port_admin is not None:
        listen = AdminListen(port=apisix.port_admin)
    keys = apisix.admin_key or settings.admin_key
    return model.Admin(
        listen=None if listen.port in ports(apisix) else model.Listen(listen.ip, listen.port),
        keys=tuple(model.AdminKey(each.name, each.key, each.role) for each in keys)
        if keys is not None
        else model.Admin().keys,
        allow=tuple(apisix.allow_admin or settings.allow_admin),
        store=folder / settings.store if settings.store is not None else None,
    )


def ports(apisix: Apisix) -> list[int]:
    """Return the ports where clients connect."""
    listed = apisix.node_listen if isinstance(apisix.node_listen, list) else [apisix.node_listen]
    return [each if isinstance(each, int) else each.port for each in listed]


def check_admin(
    gateway: Document, resources: Document, apisix: Apisix, found: model.Admin
) -> Iterator[Problem]:
    """Yield what of the keys contradicts itself, and routes that nobody would reach."""
    given = _get(_get(gateway.root.value, "deployment"), "admin")
    for older, newer in _OLDER.items():
        if older in apisix.model_fields_set and _get(given, newer) is not None:
            message = f"stands beside deployment.admin.{newer}: give one of them"
            yield gateway.problem(("apisix", older), message)
    if found.listen is not None:
        return
    if apisix.proxy_mode == "stream":
        message = "'stream' leaves no port that the Admin API could share: give it one of its own"
        yield gateway.problem(("apisix", "proxy_mode"), message)
    if len(ports(apisix)) > 1:
        # Who binds it to loopback must not find it on the other addresses as well.
        message = "has several addresses, so that the Admin API cannot share one: give it a port of its own"
        yield gateway.problem(("apisix", "node_listen"), message)
    routes = _get(resources.root.value, "routes")
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        several = _get(route, "uris")
        uris = [_get(route, "uri"), *(several if isinstance(several, list) else ())]
        if any(isinstance(uri, str) and (uri + "/").startswith(ADMIN_PREFIX + "/") for uri in uris):
            message = f"{ADMIN_PREFIX} is the Admin API's on this port: give one of the two another place"
            yield resources.problem(("routes", index), message)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
