"""Where the Admin API is served, and by whom it may be used: APISIX's keys, old and new."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.config import Admin, AdminKey, Listen, load, loads
from host.errors import ConfigError

ROUTES = "routes: []\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("apisix: {enable_admin: false}\ndeployment: {admin: {admin_listen: {port: 1}}}\n", None),
        ("deployment: {role: traditional}\n", None),
        ("deployment: {admin: {}}\n", Admin()),
        ("apisix: {enable_admin: true}\n", Admin()),
        ("apisix: {admin_key: [{name: a, key: k}]}\n", Admin(keys=(AdminKey("a", "k"),))),
        (
            "deployment: {admin: {admin_key: [{name: a, key: k, role: viewer}], "
            "admin_listen: {ip: '::1', port: 9999}, allow_admin: [10.0.0.1, '::1/128', 10.1.2.3/16]}}\n",
            Admin(
                listen=Listen("::1", 9999),
                keys=(AdminKey("a", "k", "viewer"),),
                allow=("10.0.0.1/32", "::1/128", "10.1.0.0/16"),
            ),
        ),
        ("apisix: {port_admin: 9999, allow_admin: ['::1']}\n", Admin(listen=Listen("127.0.0.1", 9999), allow=("::1/128",))),
        ("apisix: {port_admin: 9080}\n", Admin(listen=None)),
        ("apisix: {node_listen: [{port: 81}]}\ndeployment: {admin: {admin_listen: {port: 81}}}\n", Admin(listen=None)),
    ],
)  # fmt: skip
def test_the_keys_arrive(text: str, expected: Admin | None) -> None:
    """It is off unless asked for, on loopback unless told otherwise, and shares a port that is named twice."""
    assert loads(text + ROUTES).admin == expected


def test_a_store_lies_beside_the_file(tmp_path: Path) -> None:
    """As other files do."""
    file = tmp_path / "all.yaml"
    file.write_text("deployment: {admin: {store: a/told.json}}\n" + ROUTES)
    admin = load(file).admin
    assert admin is not None
    assert admin.store == tmp_path / "a/told.json"


def test_a_configuration_without_routes_is_enough(tmp_path: Path) -> None:
    """They are to come; without the API, nobody could bring them."""
    file = tmp_path / "config.yaml"
    file.write_text("apisix: {enable_admin: true}\n")
    assert load(file).routes == ()
    file.write_text("apisix: {enable_admin: false}\n")
    with pytest.raises(ConfigError, match="holds no routes, and there is no"):
        load(file)


@pytest.mark.parametrize("uri", ["/apisix/admin", "/apisix/admin/*", "/apisix/admin/routes/1"])
def test_a_route_below_the_shared_prefix_is_refused(uri: str) -> None:
    """It would take requests away that are meant for the API."""
    upstream = "upstream: {nodes: {h: 1}}"
    text = f"routes:\n  - {{uris: [/, '{uri}'], {upstream}}}\n"
    with pytest.raises(ConfigError, match=r"c.yaml:2: routes\[0\]: /apisix/admin is the Admin API's on this"):
        loads(text + "apisix: {port_admin: 9080}\n", "c.yaml")
    assert loads(text + "apisix: {port_admin: 9180}\n").admin == Admin()
    assert loads(text.replace(uri, "/apisix/*") + "apisix: {port_admin: 9080}\n").routes


def test_a_key_is_not_shown() -> None:
    """Neither by the value nor by what is said about a wrong one."""
    config = loads("apisix: {admin_key: [{name: a, key: hush}]}\n" + ROUTES)
    assert "hush" not in repr(config)
    with pytest.raises(ConfigError) as caught:
        loads(f"apisix: {{admin_key: [{{name: a, key: {'hush' * 100}}}]}}\n" + ROUTES)
    assert "hush" not in str(caught.value)
