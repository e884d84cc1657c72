"""What a right configuration becomes: defaults, APISIX's merging, conf bytes, files and folders."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from host.config import (
    AccessLogConfig,
    CircuitBreaker,
    Config,
    HttpLimits,
    KeepalivePool,
    Listen,
    LogConfig,
    Node,
    PluginUse,
    PythonPlugin,
    Recycle,
    Route,
    Timeout,
    Upstream,
    WasmPlugin,
    WasmService,
    load,
    loads,
)

HEADER = "wasm: {plugins: [{name: p, priority: 1, file: p.wasm}, {name: q, priority: 2, file: p.wasm}]}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "p.wasm").write_bytes(b"\0asm")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def routes_of(text: str) -> tuple[Route, ...]:
    return loads(HEADER + textwrap.dedent(text), "c.yaml").routes


# The two files of the article "A Tiny APISIX Plugin", as printed but for the paths and the port.
ARTICLE_CONFIG = """\
wasm:
  plugins:
    - name: custom-response-header
      priority: 7000
      file: wasm/custom_response_header.go.wasm
"""
ARTICLE_APISIX = """\
routes:
  - uri: /*
    upstream:
      type: roundrobin
      nodes:
        "127.0.0.1:1980": 1
    plugins:
      custom-response-header:
       conf: |
        {
          "headers": [{
            "name": "X-Go-Wasm", "value": "APISIX"
          }]
        }
#END
"""


@pytest.mark.parametrize("place", ["apisix.yaml", "conf/apisix.yaml"])
def test_the_files_of_the_article_load_as_printed(folder: Path, place: str) -> None:
    """config.yaml, apisix.yaml beside it or in conf, a relative plugin file, the conf byte for byte."""
    (folder / "wasm").mkdir()
    (folder / "wasm/custom_response_header.go.wasm").write_bytes(b"\0asm")
    (folder / "config.yaml").write_text(ARTICLE_CONFIG)
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text(ARTICLE_APISIX)
    assert load(folder / "config.yaml") == Config(
        plugins=(
            WasmPlugin(
                name="custom-response-header",
                priority=7000,
                file=folder / "wasm/custom_response_header.go.wasm",
            ),
        ),
        routes=(
            Route(
                id="arr_1",
                uris=("/*",),
                upstream=Upstream(id="routes/arr_1", nodes=(Node("127.0.0.1", 1980, 1),)),
                plugins=(
                    PluginUse(
                        name="custom-response-header",
                        configuration=b'{\n  "headers": [{\n    "name": "X-Go-Wasm", "value": "APISIX"\n  }]\n}\n',
                        scope="routes/arr_1",
                    ),
                ),
            ),
        ),
    )


def test_relative_files_start_from_the_configuration_not_from_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway is started from anywhere."""
    (folder / "all.yaml").write_text(HEADER + "routes: []\n")
    monkeypatch.chdir("/")
    assert load(folder / "all.yaml").plugins[0] == WasmPlugin(name="p", priority=1, file=folder / "p.wasm")


def test_every_gateway_key_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key, away from its default, with units turned into seconds and bytes."""
    monkeypatch.setenv("SET_HERE", "inherited")
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    config = loads(
        """
        apisix:
          node_listen: [9081, {ip: "::1", port: 9082}, {port: 9083}]
          router: {http: radixtree_uri}
          enable_admin: false
          config_center: yaml
        deployment: {role: traditional, role_traditional: {config_provider: yaml}}
        nginx_config:
          worker_processes: 3
          worker_shutdown_timeout: 5s
          event: {worker_connections: 7}
          http:
            client_header_timeout: 1s
            client_body_timeout: 1500ms
            send_timeout: 2
            keepalive_timeout: 0
            keepalive_requests: 5
            client_max_header_size: 8k
            max_headers: 50
            client_max_body_size: 1m
            access_log: logs/a.log
            access_log_format: $status
            access_log_format_escape: json
            access_log_buffer: 1k
        wasm:
          plugins:
            - name: w
              priority: -5
              file: p.wasm
              http_request_phase: rewrite
              failure_policy: fail_open
              root_id: root
              vm_config:
                vm_id: shared
                configuration: {a: [1, "ü"]}
                environment_variables: {host_env_keys: [SET_HERE, NOT_SET_HERE], key_values: {X: y}}
              callback_timeout: 25ms
              start_timeout: 1m
              max_memory_size: 16m
              max_request_body_size: 64k
              max_response_body_size: 100
              log_level: warn
              allow_on_headers_stop_iteration: true
              isolation: stream
              callback_fuel: 1000000
              capability_restriction_config: {allowed_capabilities: {proxy_log: {}, fd_write: {}}}
              recycle: {max_memory_size: 8m, max_requests: 100, max_age: 1h}
              circuit_breaker: {max_overruns: 2, interval: 10s, open_time: 5s}
              decode_bodies: true
        python:
          path: [filters]
          plugins: [{name: n, priority: 9, class: "package.module:Filter", http_request_phase: rewrite}]
        response_order: reverse
        log: {level: debug, format: json}
        routes: []
        """,
        "c.yaml",
    )
    folder = Path.cwd()
    assert config == Config(
        listen=(Listen("0.0.0.0", 9081), Listen("::1", 9082), Listen("0.0.0.0", 9083)),
        workers=3,
        shutdown_timeout=5.0,
        http=HttpLimits(
            client_header_timeout=1.0,
            client_body_timeout=1.5,
            send_timeout=2.0,
            keepalive_timeout=0.0,
            keepalive_requests=5,
            client_max_header_size=8192,
            max_headers=50,
            client_max_body_size=1024 * 1024,
            worker_connections=7,
        ),
        log=LogConfig("debug", "json"),
        access_log=AccessLogConfig(str(folder / "logs/a.log"), "$status", "json", 1024),
        response_order="reverse",
        plugins=(
            WasmPlugin(
                name="w",
                priority=-5,
                file=folder / "p.wasm",
                http_request_phase="rewrite",
                failure_policy="fail_open",
                root_id="root",
                vm_id="shared",
                vm_configuration='{"a":[1,"ü"]}'.encode(),
                environment=(("SET_HERE", "inherited"), ("X", "y")),
                callback_timeout=0.025,
                start_timeout=60.0,
                max_memory_size=16 * 1024 * 1024,
                max_request_body_size=64 * 1024,
                max_response_body_size=100,
                log_level="warn",
                allow_on_headers_stop_iteration=True,
                isolation="stream",
                callback_fuel=1_000_000,
                allowed_capabilities=frozenset({"proxy_log", "fd_write"}),
                recycle=Recycle(max_memory_size=8 << 20, max_requests=100, max_age=3600.0),
                circuit_breaker=CircuitBreaker(max_overruns=2, interval=10.0, open_time=5.0),
                decode_bodies=True,
            ),
            PythonPlugin(
                name="n",
                priority=9,
                target="package.module:Filter",
                http_request_phase="rewrite",
                search_path=(folder / "filters",),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("enable_access_log: true", None),
        ("{enable_access_log: false, access_log: a.log}", None),
        ("{access_log: /dev/stdout}", AccessLogConfig("/dev/stdout")),
    ],
)
def test_an_access_log_is_written_where_a_file_is_named(keys: str, expected: AccessLogConfig | None) -> None:
    """APISIX writes one by default; `enable_access_log: false` turns it off there and here."""
    assert (
        loads(f"nginx_config:\n  http: {keys if keys[0] == '{' else '{' + keys + '}'}\nroutes: []").access_log
        == expected
    )


def test_plugins_run_without_traffic() -> None:
    """In the order in which they are written; conf as in a use on a route."""
    config = loads(
        HEADER.replace("]}\n", "], services: {q: {conf: {a: 1}, singleton: true}, p: {}}}\n") + "routes: []",
        "c.yaml",
    )
    assert config.wasm_services == (
        WasmService(PluginUse(name="q", configuration=b'{"a":1}', scope="wasm/services"), singleton=True),
        WasmService(PluginUse(name="p", scope="wasm/services")),
    )


def test_defaults_of_the_schema_are_those_of_the_values() -> None:
    """A Config made in code and one read from the least YAML are the same gateway."""
    assert loads("routes: []") == Config()
    plugin = loads(HEADER + "routes: []", "c.yaml").plugins[0]
    assert plugin == WasmPlugin(name="p", priority=1, file=Path.cwd() / "p.wasm")


def test_every_route_and_upstream_key_arrives() -> None:
    """Each key, away from its default."""
    (route,) = routes_of(
        """
        routes:
          - id: 7
            name: a route
            desc: text
            labels: {team: edge}
            uris: [/a, /b/*]
            hosts: [a.example, "*.b.example"]
            methods: [GET, POST]
            priority: -3
            timeout: {connect: 1, send: 2, read: 3.5}
            enable_websocket: true
            trust_content_length: true
            upstream:
              type: roundrobin
              nodes: [{host: n1, port: 81, weight: 2}, {host: "::1", weight: 0}]
              timeout: {connect: 4s, send: 500ms, read: 6}
              retries: 0
              pass_host: rewrite
              upstream_host: inner.example
              scheme: http
              keepalive_pool: {size: 5, idle_timeout: 0, requests: 9}
        """
    )
    assert route == Route(
        id="7",
        name="a route",
        uris=("/a", "/b/*"),
        hosts=("a.example", "*.b.example"),
        methods=("GET", "POST"),
        priority=-3,
        timeout=Timeout(1.0, 2.0, 3.5),
        enable_websocket=True,
        trust_content_length=True,
        upstream=Upstream(
            id="routes/7",
            nodes=(Node("n1", 81, 2), Node("::1", 80, 0)),
            timeout=Timeout(4.0, 0.5, 6.0),
            retries=0,
            pass_host="rewrite",
            upstream_host="inner.example",
            keepalive_pool=KeepalivePool(5, 0.0, 9),
        ),
    )


def test_nodes_as_a_mapping_take_port_80_where_they_name_none() -> None:
    """As APISIX does for scheme http."""
    (route,) = routes_of(
        'routes: [{uri: /, upstream: {nodes: {a: 1, "b:81": 2, "[::1]": 3, "[::1]:82": 4}}}]'
    )
    assert route.upstream is not None
    assert route.upstream.nodes == (
        Node("a", 80, 1),
        Node("b", 81, 2),
        Node("::1", 80, 3),
        Node("::1", 82, 4),
    )


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ('"x"', b"x"),
        ("' {\"a\": 1} '", b' {"a": 1} '),
        ("|\n  line\n  ü\n", "line\nü\n".encode()),
        ('"\\0\\t"', b"\0\t"),
        ("{b: 1, a: [true, null, 1.5, 'ü', {}]}", '{"b":1,"a":[true,null,1.5,"ü",{}]}'.encode()),
        ("{on: yes}", b'{"on":"yes"}'),
    ],
)
def test_a_text_conf_goes_byte_for_byte_and_a_mapping_as_compact_json(conf: str, expected: bytes) -> None:
    """The keys of a mapping keep their order."""
    indented = textwrap.indent(conf, "          ").strip()
    (route,) = routes_of(f"routes:\n  - uri: /\n    plugins:\n      p:\n        conf: {indented}\n")
    assert route.plugins == (PluginUse(name="p", configuration=expected, scope="routes/arr_1"),)


def test_a_route_overrides_its_plugin_config_which_overrides_its_service() -> None:
    """By the plugin's name, each with its whole conf; uses keep the scope that they come from."""
    (route,) = routes_of(
        """
        services: [{id: s, plugins: {p: {conf: from service}, q: {conf: from service}}, upstream: {nodes: {h: 1}}}]
        plugin_configs: [{id: 5, plugins: {q: {conf: from plugin_config}}}]
        routes: [{uri: /, service_id: s, plugin_config_id: 5, plugins: {}}]
        """
    )
    assert route.plugins == (
        PluginUse(name="p", configuration=b"from service", scope="services/s"),
        PluginUse(name="q", configuration=b"from plugin_config", scope="plugin_configs/5"),
    )
    (route,) = routes_of(
        """
        plugin_configs: [{id: 5, plugins: {q: {conf: from plugin_config}}}]
        routes: [{id: r, uri: /, plugin_config_id: 5, plugins: {q: {conf: own, access_logger: true, _meta: {priority: 9}}}}]
        """
    )
    assert route.plugins == (
        PluginUse(name="q", configuration=b"own", scope="routes/r", priority=9, access_logger=True),
    )


@pytest.mark.parametrize(
    "use", ["{disable: true}", "{conf: x, disable: true}", "{conf: x, _meta: {disable: true}}"]
)
def test_a_disabled_use_takes_out_the_service_s_too(use: str) -> None:
    """The route's use takes the place of the service's, and then is left out."""
    (route,) = routes_of(
        f"""
        services: [{{id: s, plugins: {{p: {{conf: x}}}}}}]
        routes: [{{uri: /, service_id: s, plugins: {{p: {use}}}}}]
        """
    )
    assert route.plugins == ()


def test_a_route_takes_from_its_service_what_it_does_not_say() -> None:
    """Upstream, hosts and enable_websocket; its own win."""
    own, inherited = routes_of(
        """
        upstreams: [{id: u, nodes: {shared: 1}}]
        services: [{id: 1, hosts: [s.example], enable_websocket: true, upstream_id: u}]
        routes:
          - {uri: /, service_id: 1, host: r.example, enable_websocket: false, upstream: {nodes: {own: 1}}}
          - {uri: /a, service_id: 1}
        """
    )
    assert own.upstream is not None
    assert (own.hosts, own.enable_websocket, own.upstream.id) == (("r.example",), False, "routes/arr_1")
    assert inherited.upstream is not None
    assert (inherited.hosts, inherited.enable_websocket, inherited.upstream.id) == (
        ("s.example",),
        True,
        "upstreams/u",
    )


def test_routes_share_the_upstream_that_they_share() -> None:
    """One pool of connections an upstream: of an id, or of a service."""
    first, second, third, fourth = routes_of(
        """
        upstreams: [{id: 1, nodes: {h: 1}}]
        services: [{id: 1, upstream: {nodes: {h: 1}}}]
        routes:
          - {uri: /1, upstream_id: 1}
          - {uri: /2, upstream_id: "1"}
          - {uri: /3, service_id: 1}
          - {uri: /4, service_id: 1}
        """
    )
    assert first.upstream is second.upstream
    assert third.upstream is fourth.upstream
    assert third.upstream is not None
    assert third.upstream.id == "services/1"


def test_a_route_out_of_service_is_validated_but_not_served() -> None:
    """`status: 0` is APISIX's way to switch a route off."""
    assert routes_of("routes: [{uri: /, status: 0, plugins: {p: {conf: x}}}]") == ()


def test_a_python_plugin_needs_no_conf() -> None:
    """APISIX asks wasm plugins for a conf; ours in Python may do without."""
    text = "python: {plugins: [{name: n, priority: 1, class: 'm:C'}]}\nroutes: [{uri: /, plugins: {n: {}}}]"
    assert loads(text).routes[0].plugins == (PluginUse(name="n", scope="routes/arr_1"),)


def test_global_rules_keep_their_own_scopes() -> None:
    """Each rule is a plugin context of its own."""
    config = loads(
        HEADER + "routes: []\nglobal_rules: [{id: a, plugins: {p: {conf: x}}}, {plugins: {}}]", "c.yaml"
    )
    assert [(rule.id, [use.scope for use in rule.plugins]) for rule in config.global_rules] == [
        ("a", ["global_rules/a"]),
        ("arr_2", []),
    ]


def test_a_config_pickles() -> None:
    """One process reads, another serves."""
    config = loads(
        HEADER + "routes: [{uri: /, upstream: {nodes: {h: 1}}, plugins: {p: {conf: {a: 1}}}}]", "c.yaml"
    )
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_worker_that_is_given_a_config_imports_no_yaml_and_no_pydantic() -> None:
    """They are 15 MB, which only the process that reads pays for."""
    config = pickle.dumps(loads(HEADER + "routes: [{uri: /, plugins: {p: {conf: x}}}]", "c.yaml"))
    program = (
        f"import pickle, sys; pickle.loads({config!r}); print({{'yaml', 'pydantic'}} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stdout == "set()\n"


def test_upstreams_are_there_for_plugins_whether_a_route_leads_to_them_or_not() -> None:
    """By id and by name; nodes without a port get the scheme's."""
    config = loads(
        "upstreams:\n"
        "  - {id: auth, name: the-auth, scheme: https, tls: {verify: false}, nodes: {auth.test: 1}}\n"
        "  - {nodes: [{host: h, weight: 1}]}\n"
        "routes: [{uri: /, upstream: {nodes: {own: 1}}}]\n"
    )
    auth, other = config.upstreams
    assert (auth.id, auth.name, auth.scheme) == ("upstreams/auth", "the-auth", "https")
    assert (auth.nodes[0].port, auth.tls.verify) == (443, False)
    assert (other.id, other.nodes[0].port) == ("upstreams/arr_2", 80)


def test_authorities_of_plugins_are_the_gateways_unless_they_name_their_own(tmp_path: Path) -> None:
    """Both files are named from the configuration's folder."""
    for name in ("all.pem", "own.pem", "p.wasm"):
        (tmp_path / name).write_bytes(b"")
    config = loads(
        "apisix: {ssl: {ssl_trusted_certificate: all.pem}}\n"
        "wasm:\n"
        "  plugins:\n"
        "    - {name: a, priority: 1, file: p.wasm}\n"
        "    - {name: b, priority: 2, file: p.wasm, callouts: {trusted_ca: own.pem}}\n"
        "upstreams: [{scheme: https, nodes: {h: 1}}]\n",
        str(tmp_path / "c.yaml"),
    )
    first, second = config.plugins
    assert isinstance(first, WasmPlugin)
    assert isinstance(second, WasmPlugin)
    assert first.callouts.trusted_ca == tmp_path / "all.pem"
    assert second.callouts.trusted_ca == tmp_path / "own.pem"
    assert config.upstreams[0].tls.trusted_certificate == tmp_path / "all.pem"
