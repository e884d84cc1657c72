"""Configurations of other gateways, made of the right words in any order: there is a result that loads, or a reason."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host import config
from host.config.migration.migrate import Source, migrate
from host.errors import ConfigError

_WORDS = {
    "apisix": "routes services upstreams plugin_configs global_rules stream_routes ssls uri uris id upstream upstream_id "
    "service_id plugin_config_id plugins nodes type scheme hosts vars status wasm python apisix name conf priority key-auth "
    "prometheus ext-plugin-pre-req timeout connect checks client cert sni tyk kong apis node_listen",
    "kong": "services routes plugins upstreams consumers targets name id url protocol host port path paths hosts methods "
    "headers strip_path service route consumer config enabled key-auth cors target weight tags protocols",
    "tyk": "name api_id proxy listen_path target_url use_keyless active version_data versions Default extended_paths "
    "custom_middleware pre post auth_check driver path code allowed_ips enable_ip_whitelisting auth config_data domain",
}
_TEXTS = [
    "/",
    "/*",
    "/a",
    "a",
    "",
    "http://127.0.0.1:1",
    "127.0.0.1:1",
    "*.a",
    "rewrite",
    "python",
    "1",
    "~/x",
    "a b",
]


def values(words: str) -> st.SearchStrategy[Any]:
    """What may stand anywhere: words as keys, and values that may be right somewhere."""
    leaf = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(_TEXTS)
    keys = st.sampled_from(words.split())
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=25,
    )


@pytest.mark.parametrize("source", ["apisix", "kong", "tyk"])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_a_file_holds_there_is_a_result_or_a_reason(source: Source, data: st.DataObject) -> None:
    """No fault, no endless loop; and what is written is a configuration that loads."""
    root = data.draw(
        st.dictionaries(st.sampled_from(_WORDS[source].split()), values(_WORDS[source]), max_size=6)
    )
    begin = {"kong": {"_format_version": "3.0"}, "tyk": {"use_keyless": True}, "apisix": {}}[source]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.yaml"
        path.write_text(json.dumps({**begin, **root}))
        try:
            migration = migrate(path, source)
        except ConfigError:
            return
        written = Path(folder) / "out.yaml"
        written.write_text(migration.text())
        config.load(written)
