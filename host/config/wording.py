"""The errors of pydantic that our models can give, in the words of people who write YAML."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import ErrorDetails

from host.config.schema.scalars import describe

KNOWN_VALUES: Final = {
    "type": ("chash", "ewma", "least_conn"),
    "scheme": ("grpc", "grpcs", "udp", "kafka"),
    "role": ("control_plane",),
    "config_provider": ("etcd", "xds", "json", "control_plane"),
    "config_center": ("etcd", "xds", "json"),
    "http": ("radixtree_host_uri", "radixtree_uri_with_parameter"),
    "admin_key_required": (False,),
    "admin_api_version": ("default",),
}
"""By key: what APISIX takes there and Sluiceway does not serve."""


def explain(details: ErrorDetails, key: str) -> str:
    """Return the sentence for an error at a value of the key: what is expected, what was found, what may be meant."""
    kind, value = details["type"], details["input"]
    if kind == "bad_value":
        return details["msg"]
    if kind == "literal_error" and value in KNOWN_VALUES.get(key, ()):
        return f"known to APISIX, not served by Sluiceway: {key}: {_plain(value)}"
    expected = _expected(kind, details.get("ctx", {}), details["msg"])
    return f"expected {expected}, got {describe(value)}{_hint(kind, value)}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expected(kind: str, context: dict[str, Any], message: str) -> str:
    """Return what was expected, for the errors of pydantic that our models can give."""
    match kind:
        case "int_type" | "int_from_float":
            return "a whole number"
        case "string_type":
            return "a text"
        case "bool_type":
            return "true or false"
        case "list_type":
            return "a list"
        case "dict_type" | "model_type":
            return "a mapping"
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than":
            return f"less than {context['lt']}"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "literal_error":
            return _one_of(context["expected"])
        case "string_too_short":
            return "a text with something in it"
        case "string_too_long":
            return f"a text of at most {context['max_length']} characters"
        case "too_short":
            return "a list with something in it"
        case "bad_form":
            return message.removeprefix("expected ")
    return message


def _one_of(choices: str) -> str:
    """Pydantic's "'a', 'b' or 'c'", or "False", as YAML would have it."""
    plain = choices.replace("'", "").replace("False", "false").replace("True", "true")
    return f"one of: {plain}" if "," in plain or " or " in plain else plain


def _hint(kind: str, value: Any) -> str:
    if (
        kind in ("int_type", "bad_form")
        and isinstance(value, str)
        and value.isascii()
        and value.strip().isdigit()
    ):
        return ": remove the quotes"
    if (
        kind == "bool_type"
        and isinstance(value, str)
        and value.lower() in ("on", "yes", "off", "no", "true", "false")
    ):
        return f": write {'true' if value.lower() in ('on', 'yes', 'true') else 'false'}, without quotes"
    if kind == "string_type" and isinstance(value, int | float):
        return ": quote it"
    return ""
