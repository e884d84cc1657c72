"""What to do with a plugin that was built: a configuration that serves it."""

from __future__ import annotations

import json
from typing import Final

from host.building.builder import Built
from host.building.kinds import Kind

_CONFIGURATIONS: Final = {
    Kind.PROXY_WASM: "what the plugin's OnPluginStart reads",
    Kind.APISIX: "`conf` as ext-plugin-pre-req has it, or what the only plugin's ParseConf takes",
    Kind.KONG: "`config` as Kong has it: fields of the struct that New returns",
    Kind.TYK: "handlers by stage, as in custom_middleware: pre, auth_check, post_key_auth, post, response",
}


def usage(built: Built) -> str:
    """Return a configuration file with the plugin on a route."""
    named = built.source.name
    name = json.dumps(built.output.stem if named == "main" else named)  # as examples call their one file
    return (
        f"wasm:\n  plugins:\n    - name: {name}\n      priority: 7000\n"
        f"      file: {json.dumps(str(built.output))}\n"
        f"routes:\n  - uri: /*\n    plugins:\n      {name}:\n"
        f"        conf: {json.dumps(_example(built))}  # {_CONFIGURATIONS[built.kind]}\n"
        '    upstream:\n      type: roundrobin\n      nodes: {"127.0.0.1:8080": 1}\n'
    )


def _example(built: Built) -> object:
    if built.kind is Kind.APISIX:
        return {"conf": [{"name": "say", "value": '{"body": "hello"}'}]}
    if built.kind is Kind.TYK:
        return {"post": built.handlers}
    return "{}"  # text, which the plugin parses: an empty mapping is refused, as in APISIX
