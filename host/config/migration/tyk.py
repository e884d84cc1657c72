"""An API definition of Tyk's: it is served as it is, without what is not served, and stands in the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from host.config.document import Document, Node
from host.config.files import Documents, find_problems
from host.config.migration.pruning import prune
from host.config.migration.result import Migration
from host.config.schema.base import words
from host.config.text import read_text
from host.config.tyk.definition import parse_json
from host.errors import ConfigError, Problem

_GUARDS: Final = words(
    "use_oauth2 external_oauth use_openid use_basic_auth use_mutual_tls_auth client_certificates enable_jwt "
    "use_standard_auth enable_signature_checking enable_ip_whitelisting allowed_ips enable_ip_blacklisting "
    "blacklisted_ips certificates security_requirements x-tyk-api-gateway custom_middleware custom_plugin domain "
    "white_list black_list validate_json validate_request size_limits auth internal"
)
"""Keys of a definition, at any depth, of what turns requests away, or may."""

_INACTIVE: Final = "not served (active: false): what was left out may have kept requests out"


def migrate_tyk(path: Path) -> Migration:
    """Return a configuration with the API definition of a file. Raises ConfigError for one that is of no use."""
    text = read_text(path, str(path))
    definition = parse_json(text, str(path)) if isinstance(text, str) else None
    if definition is None or definition.problems:
        raise ConfigError([text] if isinstance(text, Problem) else definition.problems if definition else [])
    whole = Document(str(path), _mapping("tyk", _mapping("apis", _list(definition.root))), [])
    definition.root.origin = (str(path), "")
    left_out = prune([whole], lambda: find_problems(Documents(whole, whole)))
    if not whole.root.value.get("tyk", {}).get("apis"):
        raise ConfigError(each.problem for each in left_out)
    head = []
    if any(_GUARDS & set(map(str, each.problem.location[3:])) for each in left_out):
        definition.root.value["active"] = False
        head.append(_INACTIVE)
    return Migration(whole.root.value, whole.root.children, [str(path)], left_out, head=head)


def _mapping(key: str, child: Node) -> Node:
    return Node({key: child.value}, 1, {key: child}, {key: 1})


def _list(child: Node) -> Node:
    return Node([child.value], 1, {0: child})
