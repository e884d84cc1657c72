"""Whatever an API definition or a manifest says, it is a model or a list of problems."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from host.config.schema.base import words
from host.config.schema.tyk_api import ApiDefinition, Manifest
from host.config.tyk.definition import parse_json, read_model

_NAMES = words(
    "name api_id use_keyless proxy listen_path target_url custom_middleware pre auth_check post driver path config "
    "version_data versions extended_paths go_plugin file_list checksum id_extractor enable_jwt allowed_ips"
)
_KEYS = st.sampled_from(sorted(_NAMES))
_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
_VALUES = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=5), inner, max_size=4)
)  # fmt: skip
_DEFINITIONS = st.dictionaries(_KEYS, _VALUES, max_size=8)


@given(_DEFINITIONS, st.booleans())
def test_any_json(value: dict[str, Any], is_ascii: bool) -> None:
    """Each problem has its place."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    for schema in (ApiDefinition, Manifest):
        model, problems = read_model(parse_json(text, "api.json"), schema)
        assert (model is None) == bool(problems)
        assert all(problem.file == "api.json" and problem.message for problem in problems)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text(text: str) -> None:
    """JSON or not."""
    model, problems = read_model(parse_json(text, "api.json"), ApiDefinition)
    assert (model is None) == bool(problems)


def test_what_is_nested_deeply() -> None:
    """No stack is exhausted."""
    for text in ("[" * 100_000, '{"a":' * 100_000, "[" * 1000 + "]" * 1000):
        model, problems = read_model(parse_json(text, "api.json"), ApiDefinition)
        assert model is None
        assert problems
