"""The messages of Tyk's dispatchers: package coprocess, as mappings. Sessions have the names that their JSON has."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from host.external.tyk.wire import BOOLEAN, BYTES, DOUBLE, INTEGER, TEXT, Map, Message, Repeated

SERVICE: Final = "coprocess.Dispatcher"


class HookType(IntEnum):
    """coprocess_common.proto."""

    UNKNOWN = 0
    PRE = 1
    POST = 2
    POST_KEY_AUTH = 3
    CUSTOM_KEY_CHECK = 4
    RESPONSE = 5


_ACCESS_SPEC: Final = Message({1: ("url", TEXT), 2: ("methods", Repeated(TEXT))})
_ACCESS_DEFINITION: Final = Message(
    {
        1: ("api_name", TEXT),
        2: ("api_id", TEXT),
        3: ("versions", Repeated(TEXT)),
        4: ("allowed_urls", Repeated(_ACCESS_SPEC)),
    }
)

SESSION: Final = Message(
    {
        1: ("last_check", INTEGER),
        2: ("allowance", DOUBLE),
        3: ("rate", DOUBLE),
        4: ("per", DOUBLE),
        5: ("expires", INTEGER),
        6: ("quota_max", INTEGER),
        7: ("quota_renews", INTEGER),
        8: ("quota_remaining", INTEGER),
        9: ("quota_renewal_rate", INTEGER),
        10: ("access_rights", Map(_ACCESS_DEFINITION)),
        11: ("org_id", TEXT),
        12: ("oauth_client_id", TEXT),
        13: ("oauth_keys", Map()),
        14: ("basic_auth_data", Message({1: ("password", TEXT), 2: ("hash_type", TEXT)})),
        15: ("jwt_data", Message({1: ("secret", TEXT)})),
        16: ("hmac_enabled", BOOLEAN),
        17: ("hmac_string", TEXT),
        18: ("is_inactive", BOOLEAN),
        19: ("apply_policy_id", TEXT),
        20: ("data_expires", INTEGER),
        21: ("monitor", Message({1: ("trigger_limits", Repeated(DOUBLE))})),
        22: ("enable_detailed_recording", BOOLEAN),
        23: ("meta_data", Map()),
        24: ("tags", Repeated(TEXT)),
        25: ("alias", TEXT),
        26: ("last_updated", TEXT),
        27: ("id_extractor_deadline", INTEGER),
        28: ("session_lifetime", INTEGER),
        29: ("apply_policies", Repeated(TEXT)),
        32: ("key_id", TEXT),
    }
)

RETURN_OVERRIDES: Final = Message(
    {
        1: ("response_code", INTEGER),
        2: ("response_error", TEXT),
        3: ("headers", Map()),
        4: ("override_error", BOOLEAN),
        5: ("response_body", TEXT),
    }
)

REQUEST: Final = Message(
    {
        1: ("headers", Map()),
        2: ("set_headers", Map()),
        3: ("delete_headers", Repeated(TEXT)),
        4: ("body", TEXT),
        5: ("url", TEXT),
        6: ("params", Map()),
        7: ("add_params", Map()),
        8: ("extended_params", Map()),
        9: ("delete_params", Repeated(TEXT)),
        10: ("return_overrides", RETURN_OVERRIDES),
        11: ("method", TEXT),
        12: ("request_uri", TEXT),
        13: ("scheme", TEXT),
        14: ("raw_body", BYTES),
    }
)

RESPONSE: Final = Message(
    {
        1: ("status_code", INTEGER),
        2: ("raw_body", BYTES),
        3: ("body", TEXT),
        4: ("headers", Map()),
        5: ("multivalue_headers", Repeated(Message({1: ("key", TEXT), 2: ("values", Repeated(TEXT))}))),
    }
)

OBJECT: Final = Message(
    {
        1: ("hook_type", INTEGER),
        2: ("hook_name", TEXT),
        3: ("request", REQUEST),
        4: ("session", SESSION),
        5: ("metadata", Map()),
        6: ("spec", Map()),
        7: ("response", RESPONSE),
    }
)
