"""What an API definition has beside the keys that are served: what means nothing here, and what is refused.

Tyk's tools write every key, most of them with a value that does nothing; such a key is passed over. One that does
something and is not served is told: it may be the one that keeps somebody out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from host.config.schema.base import words

Path = tuple[str | int, ...]

_NO_MEANING: Final[Mapping[Path, frozenset[str]]] = {
    (): words(
        "id slug listen_port protocol created_at updated_at tags tags_disabled definition notifications "
        "session_lifetime session_lifetime_respects_key_expiration expire_analytics_after dont_set_quota_on_create "
        "disable_rate_limit disable_quota do_not_track enable_context_vars auth_configs auth_provider "
        "session_provider base_identity_provided_by oauth_meta openid_options basic_auth hmac_allowed_clock_skew "
        "hmac_allowed_algorithms jwt_client_base_field jwt_identity_base_field jwt_policy_field_name "
        "jwt_signing_method jwt_source jwt_default_policies jwt_scope_claim_name jwt_scope_to_policy_mapping "
        "jwt_scopes jwt_skip_kid jwt_issued_at_validation_skew jwt_expires_at_validation_skew "
        "jwt_not_before_validation_skew idp_client_id_mapping_disabled is_oas versions_list version_definition "
        "strip_auth_data_disabled enable_proxy_protocol_timeout category dashboard_meta"
    ),
    ("proxy",): words("disable_strip_slash check_host_against_uptime_tests"),
    ("auth",): words(
        "use_param param_name use_cookie cookie_name use_certificate validate_signature signature disable_header name"
    ),
    ("version_data",): words("default_version"),
    ("custom_middleware", "*"): words("require_session"),
    ("version_data", "versions", "*"): words("name expires use_extended_paths"),
}
"""By the mapping that they stand in: keys whose value changes nothing of what is served."""

_KNOWN: Final[Mapping[Path, frozenset[str]]] = {
    (): words(
        "enable_proxy_protocol use_oauth2 external_oauth use_openid use_basic_auth use_mutual_tls_auth "
        "client_certificates upstream_certificates upstream_certificates_disabled pinned_public_keys "
        "certificate_pinning_disabled enable_jwt use_standard_auth enable_signature_checking request_signing "
        "uptime_tests cache_options internal event_handlers enable_batch_request_support enable_ip_whitelisting "
        "allowed_ips enable_ip_blacklisting blacklisted_ips response_processors CORS certificates tag_headers "
        "global_rate_limit enable_detailed_recording graphql detailed_tracing upstream_auth streaming gateway_tags "
        "x-tyk-api-gateway custom_plugin error_overrides security_requirements"
    ),
    ("proxy",): words("enable_load_balancing target_list service_discovery"),
    ("proxy", "transport"): words(
        "ssl_ciphers ssl_min_version ssl_max_version ssl_force_common_name_check proxy_url"
    ),
    ("custom_middleware",): words("id_extractor"),
    ("custom_middleware", "*"): words("code"),
    ("version_data", "versions", "*"): words(
        "paths global_headers global_headers_remove global_headers_disabled global_response_headers "
        "global_response_headers_remove global_response_headers_disabled ignore_endpoint_case global_size_limit "
        "override_target"
    ),
    ("version_data", "versions", "*", "extended_paths"): words(
        "ignored white_list black_list transform transform_response transform_jq transform_jq_response "
        "transform_headers transform_response_headers cache advance_cache_config hard_timeouts circuit_breakers "
        "url_rewrites virtual size_limits method_transforms track_endpoints do_not_track_endpoints validate_json "
        "validate_request mock_response internal graphql_persist persist_graphql rate_limit persist_graphql_operations"
    ),
}
"""Keys that are not served, and are refused where their value does something."""

_IF_OF_USE: Final = {"allowed_ips": "enable_ip_whitelisting", "blacklisted_ips": "enable_ip_blacklisting"}
"""Values that another key has to turn on."""


def served(value: Any, refuse: Callable[[Path, str], None], path: Path = ()) -> Any:
    """Return the value without the keys that mean nothing here; `refuse` is told of those that are not served."""
    if isinstance(value, list):
        return [served(item, refuse, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    here = _pattern(path)
    no_meaning, known = _NO_MEANING.get(here, frozenset()), _KNOWN.get(here, frozenset())
    left = {}
    for key, item in value.items():
        if key in no_meaning:
            continue
        if key in known:
            if is_active(item) and (key not in _IF_OF_USE or value.get(_IF_OF_USE[key])):
                refuse((*path, key), f"known to Tyk, not served by Sluiceway: {key}")
            continue
        left[key] = served(item, refuse, (*path, key))
    return left


def _pattern(path: Path) -> Path:
    if path[:2] == ("version_data", "versions") and len(path) > 2:
        return (*path[:2], "*", *path[3:])
    return ("custom_middleware", "*") if path[:1] == ("custom_middleware",) and len(path) > 1 else path


def is_active(value: Any) -> bool:
    """Whether a value does anything in Tyk, as far as its form tells."""
    if isinstance(value, dict):
        switches = [item for key, item in value.items() if key.startswith(("enable", "use_"))]
        if value.get("disabled") is True or (switches and not any(switches)):
            return False
        return any(is_active(item) for item in value.values())
    return bool(value)
