"""Fuzzing the configuration: whatever comes in, what comes out is a Config or a ConfigError, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.config import Config, json_schema, loads
from host.config.text import decode
from host.errors import ConfigError, Problem


def accepted_or_refused(text: str) -> None:
    """Load the text; a refusal must name the file in each problem, on one line each."""
    refusal = None
    try:
        assert isinstance(loads(text, "fuzz.yaml"), Config)
    except ConfigError as error:
        refusal = error
    if refusal is not None:
        assert refusal.problems
        for problem in refusal.problems:
            assert str(problem).startswith("fuzz.yaml")
            assert "\n" not in str(problem)
            assert problem.line is None or problem.line >= 1


@given(st.binary(max_size=200))
def test_bytes(data: bytes) -> None:
    """As a file may hold them."""
    text = decode(data, "fuzz.yaml")
    if not isinstance(text, Problem):
        accepted_or_refused(text)


# Building the nested strategies takes seconds once; the examples themselves are quick.
SLOW_START = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

YAML_SIGNS = (
    "a`routes`uri`: `:`- `\n`\n  `\n    `[`]`{`}`,`&a `*a`<<: *a`!!str `!x `'`\"`|\n`>\n`#`---\n`...\n`%YAML 1.1\n`\t"
    "`? `~`0x1`1e9`/*"
)
YAML_TOKENS = st.sampled_from(YAML_SIGNS.split("`"))


@given(st.lists(YAML_TOKENS, max_size=40).map("".join))
def test_texts_made_of_yaml_s_own_signs(text: str) -> None:
    """Closer to YAML than random bytes: anchors, merges, tags, directives, flow and block."""
    accepted_or_refused(text)


def _keys(schema: Any) -> set[str]:
    """Every property name of a JSON Schema."""
    found = set(schema.get("properties", ())) if isinstance(schema, dict) else set()
    for child in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        found |= _keys(child)
    return found


KEYS = st.sampled_from(sorted(_keys(json_schema())))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["/", "/*", "h:80", "10ms", "1m", "p", "auto", "roundrobin", "access", "1", "*.a.b", "m:C"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@SLOW_START
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_documents_of_known_keys_with_any_values(document: dict[str, Any]) -> None:
    """Every key of the schema, in any place, with any value."""
    accepted_or_refused(yaml.safe_dump(document, allow_unicode=True))


def _examples(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of the schema's shape, some of whose leaves are anything: deep into the models, then off the path."""
    if "$ref" in schema:
        return st.deferred(lambda: _examples(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions))
    if "anyOf" in schema or "oneOf" in schema:
        return st.one_of(
            [_examples(choice, definitions) for choice in schema.get("anyOf", schema.get("oneOf"))]
        )
    if schema.get("type") == "object" and "properties" in schema:
        required = set(schema.get("required", ()))
        shapes = {key: _examples(child, definitions) for key, child in schema["properties"].items()}
        needed = {key: shape for key, shape in shapes.items() if key in required}
        optional = {key: shape for key, shape in shapes.items() if key not in required}
        return st.fixed_dictionaries(needed, optional=optional)
    if schema.get("type") == "object":
        values = schema.get("additionalProperties", True)
        inner = _examples(values, definitions) if isinstance(values, dict) else SCALARS
        return st.dictionaries(st.sampled_from(["p", "h:80", "a"]), inner, max_size=2)
    if schema.get("type") == "array":
        return st.lists(_examples(schema["items"], definitions), max_size=2)
    return SCALARS


SCHEMA = json_schema()


@SLOW_START
@given(_examples(SCHEMA, SCHEMA["$defs"]))
def test_documents_of_the_schema_s_shape(document: dict[str, Any]) -> None:
    """Right shapes with leaves that are right now and then: most of them reach the deepest checks."""
    accepted_or_refused(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.parametrize("text", ["routes: [{uri: /, plugins: {p: {conf: {a: .nan}}}}]", "labels: {? a : b}"])
def test_what_fuzzing_could_find(text: str) -> None:
    """Kept by hand: numbers that JSON cannot hold, complex keys."""
    accepted_or_refused(text)
