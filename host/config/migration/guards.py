"""What keeps requests out: where such a thing cannot be carried over, what it guarded is not to be served.

A route that is open since its check was left out is worse than one that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from host.config.apisix_plugins import APISIX_PLUGINS
from host.config.document import Document, Node
from host.config.migration.pruning import LeftOut
from host.config.schema.base import words

_CONDITIONS: Final = words(
    "vars remote_addr remote_addrs filter_func script script_id methods host hosts service_id plugin_config_id "
    "server_addr server_port sni client"
)
"""Keys of routes, services and certificates that say whom they take, and those that bring more such keys."""

_GUARDS: Final = words(
    "ai-aliyun-content-moderation ai-aws-content-moderation ai-prompt-guard api-breaker authz-casbin authz-casdoor "
    "authz-keycloak basic-auth cas-auth chaitin-waf consumer-restriction csrf forward-auth hmac-auth ip-restriction "
    "jwe-decrypt jwt-auth key-auth ldap-auth multi-auth opa openid-connect referer-restriction request-validation "
    "saml-auth serverless-post-function serverless-pre-function ua-restriction uri-blocker wolf-rbac workflow"
)
"""Plugins of APISIX that turn requests away, or may. One that is not APISIX's own may do anything."""


def guarded_entries(resources: Document, left_out: Iterable[LeftOut]) -> list[tuple[str, Node]]:
    """Return what something that was left out kept others out of, and is still served: entries, each with its list."""
    guarded: set[int] = set()
    shared: dict[str, set[str]] = {"service_id": set(), "plugin_config_id": set()}
    everything = False
    for each in filter(_is_guard, left_out):
        if each.key == "global_rules":
            everything = True
        elif each.entry is not None:
            guarded.add(id(each.entry))
            if (reference := f"{each.key[:-1]}_id") in shared:
                shared[reference].add(str(each.entry.value.get("id")))

    def is_guarded(key: str, node: Node) -> bool:
        if id(node) in guarded:
            return True
        is_shared = any(str(node.value.get(reference)) in ids for reference, ids in shared.items())
        return key == "routes" and (everything or is_shared)

    return [
        (key, node)
        for key in ("routes", "stream_routes", "ssls")
        for node in (resources.root.children[key].children.values() if key in resources.root.children else ())
        if is_guarded(key, node) and node.value.get("status", 1) != 0
    ]


def _is_guard(left_out: LeftOut) -> bool:
    inner = left_out.inner
    if left_out.key == "global_rules" and isinstance(inner[0] if inner else 0, int):
        return True  # a whole rule, or all of them
    if inner[:1] == ("plugins",):
        name = inner[1] if len(inner) > 1 else ""
        return len(inner) < 3 and (name in _GUARDS or name not in APISIX_PLUGINS)
    return len(inner) == 1 and inner[0] in _CONDITIONS
