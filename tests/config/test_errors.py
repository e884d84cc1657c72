"""A table of bad configurations and the exact lines that each is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.config import load, loads
from host.errors import ConfigError

PLUGINS = "wasm: {plugins: [{name: hdr, priority: 1, file: hdr.wasm}]}\n"
"""One line, before each text of the second table: its own lines count from 2."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the one file that the configurations name."""
    (tmp_path / "hdr.wasm").write_bytes(b"\0asm")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(text, "c.yaml")
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


UPSTREAM = "upstream: {nodes: {h: 1}}"

GATEWAY = [
    ("- a\n", ["c.yaml:1: expected a mapping, got a list"]),
    ("just text", ["c.yaml:1: expected a mapping, got the text 'just text'"]),
    ("a: [", ["c.yaml:2: a: is not YAML: while parsing a flow node did not find expected node content"]),
    ("workrs: 1", ["c.yaml:1: workrs: unknown key; did you mean 'workers'?"]),
    (
        "log: {colour: red}",
        ["c.yaml:1: log.colour: unknown key; expected one of: level, format"],
    ),
    ("log: loud", ["c.yaml:1: log: expected a mapping, got the text 'loud'"]),
    (
        "log: {level: loud}",
        ["c.yaml:1: log.level: expected one of: debug, info, warning or error, got the text 'loud'"],
    ),
    (
        "apisix:\n  node_listen: '9080'",
        [
            "c.yaml:2: apisix.node_listen: expected a port, or a list of ports and of mappings {ip, port}, "
            "got the text '9080': remove the quotes"
        ],
    ),
    (
        "apisix:\n  node_listen:\n    - 0\n    - {ip: 300.0.0.1.}\n    - {prt: 1}\n    - true",
        [
            "c.yaml:3: apisix.node_listen[0]: expected 1 or more, got the number 0",
            "c.yaml:4: apisix.node_listen[1].ip: expected a host name or an IP address, got the text '300.0.0.1.'",
            "c.yaml:5: apisix.node_listen[2].prt: unknown key; did you mean 'port'?",
            "c.yaml:6: apisix.node_listen[3]: expected a port or a mapping {ip, port}, got true",
        ],
    ),
    (
        "apisix: {node_listen: []}",
        ["c.yaml:1: apisix.node_listen: expected a list with something in it, got a list"],
    ),
    (
        "apisix: {ssl: {enable: true}}",
        ["c.yaml:1: apisix.ssl.enable: known to APISIX, not served by Sluiceway: enable"],
    ),
    (
        "apisix: {ssl: {ssl_trusted_certificate: none.pem}}",
        ["c.yaml:1: apisix.ssl.ssl_trusted_certificate: none.pem cannot be read: No such file or directory"],
    ),
    (
        "wasm:\n  plugins:\n    - name: a\n      priority: 1\n      file: hdr.wasm\n      callouts:\n"
        "        allow: ['a:0', '*.b', 'https://', unix:x, 'a b:80', 7]\n        timeout: 5\n"
        "        max_calls: 0\n        ssl_verify: 'yes'\n        trusted_ca: none.pem\n        tmeout: 1s",
        [
            "c.yaml:7: wasm.plugins[0].callouts.allow[0]: expected an address such as host:80, *.name:*, "
            "https://host or unix:/path: '0' is not a port",
            "c.yaml:7: wasm.plugins[0].callouts.allow[2]: expected an address such as host:80, *.name:*, "
            "https://host or unix:/path: '' is neither a host name nor an IP address",
            "c.yaml:7: wasm.plugins[0].callouts.allow[3]: expected an address such as host:80, *.name:*, "
            "https://host or unix:/path: 'x' is not the absolute path of a unix socket",
            "c.yaml:7: wasm.plugins[0].callouts.allow[4]: expected an address such as host:80, *.name:*, "
            "https://host or unix:/path: 'a b' is neither a host name nor an IP address",
            "c.yaml:7: wasm.plugins[0].callouts.allow[5]: expected a text, got the number 7: quote it",
            "c.yaml:8: wasm.plugins[0].callouts.timeout: expected a duration with its unit, such as 10ms or 5s, "
            "got the number 5",
            "c.yaml:9: wasm.plugins[0].callouts.max_calls: expected 1 or more, got the number 0",
            "c.yaml:10: wasm.plugins[0].callouts.ssl_verify: expected true or false, got the text 'yes': "
            "write true, without quotes",
            "c.yaml:11: wasm.plugins[0].callouts.trusted_ca: none.pem cannot be read: "
            "No such file or directory",
            "c.yaml:12: wasm.plugins[0].callouts.tmeout: unknown key; did you mean 'timeout'?",
        ],
    ),
    (
        "deployment:\n  admin:\n    admin_key: [{key: 17}, {name: a, key: ä, role: owner}]\n"
        "    admin_key_required: false\n    allow_admin: [localhost]\n    admin_api_version: default\n"
        "    https_admin: true\n    admin_listen: {port: 0}\n    stor: x",
        [
            "c.yaml:3: deployment.admin.admin_key[0]: lacks 'name'",
            "c.yaml:3: deployment.admin.admin_key[0].key: expected a text; a number needs quotes",
            "c.yaml:3: deployment.admin.admin_key[1].key: expected at most 256 printable characters of ASCII",
            "c.yaml:3: deployment.admin.admin_key[1].role: expected one of: admin or viewer, got the text 'owner'",
            "c.yaml:4: deployment.admin.admin_key_required: known to APISIX, not served by Sluiceway: "
            "admin_key_required: false",
            "c.yaml:5: deployment.admin.allow_admin[0]: expected an IP address or a range such as 10.0.0.0/8, "
            "got the text 'localhost'",
            "c.yaml:6: deployment.admin.admin_api_version: known to APISIX, not served by Sluiceway: "
            "admin_api_version: default",
            "c.yaml:7: deployment.admin.https_admin: known to APISIX, not served by Sluiceway: https_admin",
            "c.yaml:8: deployment.admin.admin_listen.port: expected 1 or more, got the number 0",
            "c.yaml:9: deployment.admin.stor: unknown key; did you mean 'store'?",
        ],
    ),
    (
        "apisix: {port_admin: 9181, allow_admin: [10.0.0.0/8]}\n"
        "deployment: {admin: {admin_listen: {port: 9180}, allow_admin: [10.0.0.0/8]}}",
        [
            "c.yaml:1: apisix.allow_admin: stands beside deployment.admin.allow_admin: give one of them",
            "c.yaml:1: apisix.port_admin: stands beside deployment.admin.admin_listen: give one of them",
        ],
    ),
    (
        "apisix: {node_listen: [9080, 9081], port_admin: 9081}",
        [
            "c.yaml:1: apisix.node_listen: has several addresses, so that the Admin API cannot share one: "
            "give it a port of its own"
        ],
    ),
    (
        "apisix: {proxy_mode: stream, port_admin: 9080}",
        [
            "c.yaml:1: apisix.proxy_mode: 'stream' leaves no port that the Admin API could share: "
            "give it one of its own"
        ],
    ),
    (
        "deployment: {role_data_plane: {config_provider: etcd}}",
        [
            "c.yaml:1: deployment.role_data_plane.config_provider: known to APISIX, not served by Sluiceway: "
            "config_provider: etcd"
        ],
    ),
    ("etcd: {}", ["c.yaml:1: etcd: known to APISIX, not served by Sluiceway: etcd"]),
    ("secrets: []", ["c.yaml:1: secrets: known to APISIX, not served by Sluiceway: secrets"]),
    (
        "nginx_config:\n  http:\n    client_header_timeout: 1 minute\n    keepalive_timeout: -1\n"
        "    client_body_timeout: 0\n    client_max_body_size: 1kb\n    max_headers: 1.5\n    send_timeout: 100h",
        [
            "c.yaml:3: nginx_config.http.client_header_timeout: expected a duration such as 60, 500ms, 60s, 5m or 1h, "
            "got the text '1 minute'",
            "c.yaml:4: nginx_config.http.keepalive_timeout: expected a duration from 0 to 24h, got the number -1",
            "c.yaml:5: nginx_config.http.client_body_timeout: expected a duration over 0",
            "c.yaml:6: nginx_config.http.client_max_body_size: expected a size in bytes such as 65536, 64k, 1m or 1g, "
            "got the text '1kb'",
            "c.yaml:7: nginx_config.http.max_headers: expected a whole number, got the number 1.5",
            "c.yaml:8: nginx_config.http.send_timeout: expected a duration from 0 to 24h, got the text '100h'",
        ],
    ),
    (
        "nginx_config: {http: {client_max_header_size: 1m}}",
        [
            "c.yaml:1: nginx_config.http.client_max_header_size: expected less than 1048576, got the number 1048576"
        ],
    ),
    (
        "workers: many",
        ["c.yaml:1: workers: expected a number of processes from 1 to 1024, or auto, got the text 'many'"],
    ),
    (
        "workers: 2\nnginx_config: {worker_processes: 2}",
        ["c.yaml:2: nginx_config.worker_processes: stands beside 'workers': give one of them"],
    ),
    (
        "nginx_config:\n  http:\n    access_log: ''\n    access_log_format: $statos\n    access_log_format_escape: none",
        [
            "c.yaml:3: nginx_config.http.access_log: expected a text with something in it, got the text ''",
            "c.yaml:4: nginx_config.http.access_log_format: unknown variable $statos; did you mean $status?",
            "c.yaml:5: nginx_config.http.access_log_format_escape: expected one of: default or json, got the text 'none'",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - {name: a, priority: 1, file: hdr.wasm}\n  services:\n"
        "    a: {singleton: 1, access_logger: true}",
        [
            "c.yaml:5: wasm.services.a.singleton: expected true or false, got the number 1",
            "c.yaml:5: wasm.services.a.access_logger: unknown key; expected one of: conf, singleton",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - {name: a, priority: 1, file: hdr.wasm, isolation: stream}\n"
        "  services:\n    a: {}\n    c: {conf: x}\n    f: {}\n"
        "python: {plugins: [{name: f, priority: 1, class: 'm:F'}]}",
        [
            "c.yaml:5: wasm.services.a: has 'isolation: stream': such a plugin has no VM but for a stream",
            "c.yaml:6: wasm.services.c: no plugin of this name is declared under wasm.plugins or python.plugins"
            "; declared: 'a', 'f'",
            "c.yaml:7: wasm.services.f: is a plugin in Python: services are of wasm.plugins",
        ],
    ),
    ("wasm: {plugins: {}}", ["c.yaml:1: wasm.plugins: expected a list, got a mapping"]),
    (
        "wasm:\n  plugins:\n    - name: a\n      file: hdr.wasm\n    - priority: '7'\n      file: hdr.wasm\n"
        "      fail_policy: x",
        [
            "c.yaml:3: wasm.plugins[0]: lacks 'priority'",
            "c.yaml:5: wasm.plugins[1]: lacks 'name'",
            "c.yaml:5: wasm.plugins[1].priority: expected a whole number, got the text '7': remove the quotes",
            "c.yaml:7: wasm.plugins[1].fail_policy: unknown key; did you mean 'failure_policy'?",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - {name: a, priority: 1, file: no.wasm}\n    - {name: a, priority: 1, file: .}",
        [
            "c.yaml:3: wasm.plugins[0].file: no.wasm cannot be read: No such file or directory",
            "c.yaml:4: wasm.plugins[1].name: another plugin is named 'a' already",
            "c.yaml:4: wasm.plugins[1].file: . is not a regular file",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - name: a\n      priority: 1\n      file: hdr.wasm\n      callback_timeout: 10\n"
        "      max_memory_size: 0\n      vm_config:\n        configuration: {}\n"
        "        environment_variables: {host_env_keys: [PATH], key_values: {PATH: x}}",
        [
            "c.yaml:6: wasm.plugins[0].callback_timeout: expected a duration with its unit, such as 10ms or 5s, "
            "got the number 10",
            "c.yaml:7: wasm.plugins[0].max_memory_size: expected a size over 0",
            "c.yaml:9: wasm.plugins[0].vm_config.configuration: expected a text or a mapping with something in it, "
            "got an empty mapping",
            "c.yaml:10: wasm.plugins[0].vm_config.environment_variables.key_values.PATH: "
            "stands in 'host_env_keys' too: give it in one of them",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - name: a\n      priority: 1\n      file: hdr.wasm\n      isolation: request\n"
        "      callback_fuel: -1\n      capability_restriction_config: {allowed_capabilities: [proxy_lgo]}\n"
        "      recycle: {max_requests: 0, max_age: 5, requests: 1}\n      circuit_breaker: {max_overruns: 1.5}",
        [
            "c.yaml:6: wasm.plugins[0].isolation: expected one of: none, route, stream or filter, got the text 'request'",
            "c.yaml:7: wasm.plugins[0].callback_fuel: expected 0 or more, got the number -1",
            "c.yaml:8: wasm.plugins[0].capability_restriction_config.allowed_capabilities: "
            "'proxy_lgo' is no host call, no callback and no WASI function; did you mean 'proxy_log'?",
            "c.yaml:9: wasm.plugins[0].recycle.max_requests: expected 1 or more, got the number 0",
            "c.yaml:9: wasm.plugins[0].recycle.max_age: expected a duration with its unit, such as 10ms or 5s, "
            "got the number 5",
            "c.yaml:9: wasm.plugins[0].recycle.requests: unknown key; did you mean 'max_requests'?",
            "c.yaml:10: wasm.plugins[0].circuit_breaker.max_overruns: expected a whole number, got the number 1.5",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - name: a\n      priority: 1\n      file: hdr.wasm\n"
        "      capability_restriction_config: {allowed_capabilities: {proxy_log: {argument_list: [a]}}}",
        [
            "c.yaml:6: wasm.plugins[0].capability_restriction_config.allowed_capabilities: "
            "expected {} for each name: sanitation of arguments is not served (nor is it in Envoy)",
        ],
    ),
    (
        "wasm:\n  plugins:\n    - {name: a, priority: 1}\n    - {name: b, priority: 1, file: hdr.wasm, inline_bytes: AGFzbQ==}\n"
        "    - {name: c, priority: 1, url: 'https://h/p.wasm'}\n    - {name: d, priority: 1, url: 'ftp://h/p'}\n"
        "    - {name: e, priority: 1, url: 'https://u:p@h/p'}\n    - {name: f, priority: 1, inline_bytes: '%'}\n"
        "    - {name: g, priority: 1, file: hdr.wasm, sha256: abc, verification_key: AAAA, fetch_retries: 11}\n"
        "    - {name: h, priority: 1, url: 'oci://h/p:1', image_pull_policy: Always, image_pull_secret: no.json}",
        [
            "c.yaml:3: wasm.plugins[0]: lacks 'file', 'url' or 'inline_bytes': where its module is",
            "c.yaml:4: wasm.plugins[1].inline_bytes: stands beside 'file': give one of them",
            "c.yaml:5: wasm.plugins[2].url: needs 'sha256' beside it: that of the module",
            "c.yaml:6: wasm.plugins[3].url: expected https://HOST/PATH, http://HOST/PATH or "
            "oci://REGISTRY/REPOSITORY:TAG, without user or password, got the text 'ftp://h/p'",
            "c.yaml:7: wasm.plugins[4].url: expected https://HOST/PATH, http://HOST/PATH or "
            "oci://REGISTRY/REPOSITORY:TAG, without user or password, got the text 'https://u:p@h/p'",
            "c.yaml:7: wasm.plugins[4].url: needs 'sha256' beside it: that of the module",
            "c.yaml:8: wasm.plugins[5].inline_bytes: expected base64, got the text '%'",
            "c.yaml:9: wasm.plugins[6].sha256: expected a SHA-256 of 64 hexadecimal digits, got the text 'abc'",
            "c.yaml:9: wasm.plugins[6].fetch_retries: expected 10 or less, got the number 11",
            "c.yaml:9: wasm.plugins[6].verification_key: expected an Ed25519 public key: 32 bytes in hexadecimal "
            "or base64, got the text 'AAAA'",
            "c.yaml:10: wasm.plugins[7].image_pull_policy: expected one of: if_not_present or always, got the text 'Always'",
            "c.yaml:10: wasm.plugins[7].image_pull_secret: no.json cannot be read: No such file or directory",
        ],
    ),
    (
        "python:\n  plugins:\n    - {name: a, priority: 1, class: no-module}",
        ["c.yaml:3: python.plugins[0].class: expected module:name, got 'no-module'"],
    ),
    (
        "wasm: {plugins: [{name: a, priority: 1, file: hdr.wasm}]}\n"
        "python: {plugins: [{name: a, priority: 1, class: 'm:C'}]}",
        ["c.yaml:2: python.plugins[0].name: another plugin is named 'a' already, in wasm.plugins"],
    ),
]

RESOURCES = [
    ("routes: {}", ["c.yaml:2: routes: expected a list, got a mapping"]),
    ("routes: [x]", ["c.yaml:2: routes[0]: expected a mapping, got the text 'x'"]),
    (
        "routes:\n  - {}",
        [
            "c.yaml:3: routes[0]: lacks 'uri' (or 'uris')",
            "c.yaml:3: routes[0]: leads nowhere: give it one of "
            "plugins, upstream, upstream_id, service_id, plugin_config_id",
        ],
    ),
    (
        f"routes:\n  - uri: /\n    uris: [/a]\n    host: a\n    hosts: [b]\n    {UPSTREAM}\n    upstream_id: 1",
        [
            "c.yaml:4: routes[0].uris: stands beside 'uri': give one of them",
            "c.yaml:6: routes[0].hosts: stands beside 'host': give one of them",
            "c.yaml:8: routes[0].upstream_id: stands beside 'upstream': give one of them",
            "c.yaml:8: routes[0].upstream_id: no entry of upstreams has id '1'",
        ],
    ),
    (
        f"routes:\n  - {{uri: 5, {UPSTREAM}}}\n  - {{uri: a, {UPSTREAM}}}\n  - {{uri: /a/*/b, {UPSTREAM}}}\n"
        f"  - {{uris: [/, '/%41'], {UPSTREAM}}}",
        [
            "c.yaml:3: routes[0].uri: expected a text, got the number 5: quote it",
            "c.yaml:4: routes[1].uri: 'a': a URI begins with '/'",
            "c.yaml:5: routes[2].uri: '/a/*/b': '*' is understood at the end only",
            "c.yaml:6: routes[3].uris[1]: '/%41': a URI is compared percent-decoded "
            "and without '.', '..' and empty segments",
        ],
    ),
    (
        "routes:\n  - uri: /\n    host: '*'\n    methods: [GET, get]\n    status: 2\n    priority: high\n"
        f"    {UPSTREAM}",
        [
            "c.yaml:4: routes[0].host: '*': '*' is understood as the whole first label only, as in *.example.com",
            "c.yaml:5: routes[0].methods[1]: expected one of: GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS, CONNECT, "
            "TRACE or PURGE, got the text 'get'",
            "c.yaml:6: routes[0].status: expected one of: 0 or 1, got the number 2",
            "c.yaml:7: routes[0].priority: expected a whole number, got the text 'high'",
        ],
    ),
    (
        f"routes:\n  - {{uri: /, vars: [], remote_addr: 1.1.1.1, filter_func: f, {UPSTREAM}}}",
        [
            "c.yaml:3: routes[0].vars: known to APISIX, not served by Sluiceway: vars",
            "c.yaml:3: routes[0].remote_addr: known to APISIX, not served by Sluiceway: remote_addr",
            "c.yaml:3: routes[0].filter_func: known to APISIX, not served by Sluiceway: filter_func",
        ],
    ),
    (
        f"routes:\n  - {{uri: /, enable_websocket: on, {UPSTREAM}}}",
        [
            "c.yaml:3: routes[0].enable_websocket: expected true or false, got the text 'on': "
            "write true, without quotes"
        ],
    ),
    (
        "routes:\n  - uri: /\n    upstream:\n      nodes: {'h:0': 1, '::1': 1, 'h h': 1, 'h:80': -1, 'h:81': '1'}",
        [
            'c.yaml:5: routes[0].upstream.nodes."h:0": expected a port from 1 to 65535 after the colon, '
            "got the text 'h:0'",
            "c.yaml:5: routes[0].upstream.nodes.\"::1\": expected HOST:PORT, got the text '::1': "
            "an IPv6 address needs brackets, [::1]:80",
            "c.yaml:5: routes[0].upstream.nodes.\"h h\": expected a host name or an IP address, got the text 'h h'",
            'c.yaml:5: routes[0].upstream.nodes."h:80": expected 0 or more, got the number -1',
            "c.yaml:5: routes[0].upstream.nodes.\"h:81\": expected a whole number, got the text '1': remove the quotes",
        ],
    ),
    (
        "upstreams:\n  - nodes:\n      - host: h\n        port: '80'\n        weigth: 1",
        [
            "c.yaml:4: upstreams[0].nodes[0]: lacks 'weight'",
            "c.yaml:5: upstreams[0].nodes[0].port: expected a whole number, got the text '80': remove the quotes",
            "c.yaml:6: upstreams[0].nodes[0].weigth: unknown key; did you mean 'weight'?",
        ],
    ),
    (
        "upstreams:\n  - {nodes: 'h:80'}\n  - {type: chash, key: uri, nodes: {}}\n  - {scheme: grpcs, nodes: {}}\n"
        "  - {type: random, nodes: {}}\n  - {}",
        [
            'c.yaml:3: upstreams[0].nodes: expected a mapping {"host:port": weight} or a list of {host, port, weight}, '
            "got the text 'h:80'",
            "c.yaml:4: upstreams[1].type: known to APISIX, not served by Sluiceway: type: chash",
            "c.yaml:4: upstreams[1].key: known to APISIX, not served by Sluiceway: key",
            "c.yaml:5: upstreams[2].scheme: known to APISIX, not served by Sluiceway: scheme: grpcs",
            "c.yaml:6: upstreams[3].type: expected roundrobin, got the text 'random'",
            "c.yaml:7: upstreams[4]: lacks 'nodes'",
        ],
    ),
    (
        "upstreams:\n  - {id: 1, nodes: {}}\n  - {id: '1', nodes: {}}\n"
        "  - {id: 0, nodes: {}}\n  - {id: a/b, nodes: {}}",
        [
            "c.yaml:4: upstreams[1].id: id '1' is that of upstreams[0] already",
            "c.yaml:5: upstreams[2].id: expected an id: a whole number over 0, or 1 to 64 letters, digits, '-', '_' "
            "and '.', got the number 0",
            "c.yaml:6: upstreams[3].id: expected an id: a whole number over 0, or 1 to 64 letters, digits, '-', '_' "
            "and '.', got the text 'a/b'",
        ],
    ),
    (
        "upstreams: [{pass_host: rewrite, nodes: {}}]\n"
        "routes:\n  - {uri: /, upstream: {pass_host: rewrite, nodes: {}}}",
        [
            "c.yaml:2: upstreams[0].pass_host: 'rewrite' needs 'upstream_host' beside it",
            "c.yaml:4: routes[0].upstream.pass_host: 'rewrite' needs 'upstream_host' beside it",
        ],
    ),
    (
        "services: [{id: users}]\nroutes:\n  - {uri: /, service_id: user, plugin_config_id: p}",
        [
            "c.yaml:4: routes[0].service_id: no entry of services has id 'user'; did you mean 'users'?",
            "c.yaml:4: routes[0].plugin_config_id: no entry of plugin_configs has id 'p'",
        ],
    ),
    (
        "upstreams: [{id: 1, nodes: 5}]\nroutes:\n  - {uri: /, upstream_id: 1}",
        [
            'c.yaml:2: upstreams[0].nodes: expected a mapping {"host:port": weight} or a list of {host, port, weight}, '
            "got the number 5",
        ],
    ),
    (
        "routes:\n  - uri: /\n    plugins:\n      hdr: {}\n      hrd: {conf: x}\n      nothing-like-it: {a: 1}\n"
        "      key-auth: {}\n      7up: 5",
        [
            "c.yaml:5: routes[0].plugins.hdr: lacks 'conf'",
            "c.yaml:6: routes[0].plugins.hrd: no plugin of this name is declared under wasm.plugins or "
            "python.plugins; did you mean 'hdr'?",
            "c.yaml:7: routes[0].plugins.nothing-like-it: no plugin of this name is declared under wasm.plugins or "
            "python.plugins; declared: 'hdr'",
            "c.yaml:8: routes[0].plugins.key-auth: known to APISIX, not served by Sluiceway: plugin key-auth",
            "c.yaml:9: routes[0].plugins.7up: no plugin of this name is declared under wasm.plugins or "
            "python.plugins; declared: 'hdr'",
        ],
    ),
    *(
        (
            f"routes:\n  - uri: /\n    plugins:\n      hdr:\n        conf: {conf}",
            [f"c.yaml:6: routes[0].plugins.hdr.conf: {message}"],
        )
        for conf, message in [
            ("{}", "expected a text or a mapping with something in it, got an empty mapping"),
            ('""', "expected a text or a mapping with something in it, got an empty text"),
            ("5", "expected a text (passed byte for byte) or a mapping (passed as JSON), got the number 5"),
            ("[1]", "expected a text (passed byte for byte) or a mapping (passed as JSON), got a list"),
            ("true", "expected a text (passed byte for byte) or a mapping (passed as JSON), got true"),
        ]
    ),
    (
        "global_rules:\n  - id: 1\n    plugins: {hdr: {conf: x, _meta: {filter: [], disabled: true}, enable: 1}}\n"
        "  - {id: 2}",
        [
            "c.yaml:4: global_rules[0].plugins.hdr._meta.filter: known to APISIX, not served by Sluiceway: filter",
            "c.yaml:4: global_rules[0].plugins.hdr._meta.disabled: unknown key; did you mean 'disable'?",
            "c.yaml:4: global_rules[0].plugins.hdr.enable: unknown key; did you mean 'disable'?",
            "c.yaml:5: global_rules[1]: lacks 'plugins'",
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), GATEWAY, ids=lambda value: repr(value)[:40])
def test_gateway_keys(text: str, expected: list[str]) -> None:
    """Each problem has file, line, path, the bad value, what is expected and the nearest key."""
    assert lines_of(text) == expected


@pytest.mark.parametrize(("text", "expected"), RESOURCES, ids=lambda value: repr(value)[:40])
def test_resource_keys(text: str, expected: list[str]) -> None:
    """As above; what APISIX has and Sluiceway does not serve is told apart from what nobody knows."""
    assert lines_of(PLUGINS + text) == expected


def test_all_problems_come_at_once_sorted_by_line() -> None:
    """Of syntax-level checks, shapes and references together."""
    text = "routes:\n  - {uri: 1, uri: 2, upstream_id: x}\nworkers: 0\nlog: {level: info, level: info}\n"
    assert [problem.line for problem in _problems(text)] == [2, 2, 2, 3, 4]


def _problems(text: str) -> tuple[object, ...]:
    with pytest.raises(ConfigError) as caught:
        loads(text, "c.yaml")
    return caught.value.problems


def test_problems_of_both_files_come_at_once(folder: Path) -> None:
    """A pair of files is one configuration."""
    (folder / "config.yaml").write_text("workers: 0\n")
    (folder / "apisix.yaml").write_text("routes: 5\n")
    with pytest.raises(ConfigError) as caught:
        load(folder / "config.yaml")
    assert [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems] == [
        "apisix.yaml:1: lacks its last line, #END: a file without it may be half-written and is not loaded",
        "apisix.yaml:1: routes: expected a list, got the number 5",
        "config.yaml:1: workers: expected a number of processes from 1 to 1024, or auto, got the number 0",
    ]


@pytest.mark.parametrize(
    "text", ["routes: []", "routes: []\n# END\n", "routes: []\n#EN", "", "#END\nroutes: []\n"]
)
def test_apisix_yaml_without_its_end_mark_is_not_loaded(folder: Path, text: str) -> None:
    """The mark is the last thing that whoever writes the file writes."""
    (folder / "config.yaml").write_text(PLUGINS)
    (folder / "apisix.yaml").write_text(text)
    with pytest.raises(ConfigError, match="lacks its last line, #END"):
        load(folder / "config.yaml")


def test_a_gateway_file_without_apisix_yaml_says_where_it_was_looked_for(folder: Path) -> None:
    """Both places of an APISIX installation are named."""
    (folder / "config.yaml").write_text(PLUGINS)
    with pytest.raises(ConfigError) as caught:
        load(folder / "config.yaml")
    assert str(caught.value) == (
        f"{folder}/config.yaml: holds no routes, and there is no {folder}/apisix.yaml or {folder}/conf/apisix.yaml "
        "to hold them, nor deployment.admin to add them by"
    )


def test_routes_in_config_yaml_with_apisix_yaml_beside_it_are_refused(folder: Path) -> None:
    """One of the two would be passed over in silence."""
    (folder / "config.yaml").write_text(PLUGINS + "routes: []\n")
    (folder / "apisix.yaml").write_text("routes: []\n#END\n")
    with pytest.raises(ConfigError) as caught:
        load(folder / "config.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (2, "routes")
    assert problem.message == f"stands here while {folder}/apisix.yaml is there to hold it: keep one of them"


def test_resource_keys_belong_into_apisix_yaml_and_gateway_keys_do_not(folder: Path) -> None:
    """A key in the wrong file of the two is unknown there."""
    (folder / "config.yaml").write_text("workers: 1\n")
    (folder / "apisix.yaml").write_text("wasm: {}\nroutes: []\n#END\n")
    with pytest.raises(ConfigError, match=r"apisix.yaml:1: wasm: belongs into .*config.yaml"):
        load(folder / "config.yaml")


def test_a_missing_file_is_one_problem(folder: Path) -> None:
    """No line, no path."""
    with pytest.raises(ConfigError) as caught:
        load(folder / "no.yaml")
    assert str(caught.value) == f"{folder}/no.yaml: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"api_id": "a", "proxy": {}}',
            "is an API definition of Tyk: name it under tyk.apis in a config.yaml",
        ),
        (
            '_format_version: "3.0"\nservices: []\n',
            "is a declarative file of Kong: name it under kong.declarative_config in a config.yaml",
        ),
    ],
)
def test_a_file_that_another_names_says_where(folder: Path, text: str, said: str) -> None:
    """Instead of a line for each of its keys."""
    (folder / "own").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / "own")
    assert str(caught.value) == f"{folder}/own: {said}"
