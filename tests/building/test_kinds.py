"""What a plugin was written for is told from its imports, without Go."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.building.imports import imports_in
from host.building.kinds import Kind, Source, check_packages, detect
from host.errors import HostError

SOURCES = Path(__file__).resolve().parents[1] / "peers/recompile"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('package main\nimport "net/http"\n', {"net/http"}),
        ('package main; import ("a"; b "x/b"; . "c"; _ `d`)', {"a", "x/b", "c", "d"}),
        (
            '// import "no"\npackage main\n/* import "no" */ import "a"\nimport (\n\t"b" // why\n\n\t"c"\n)',
            {"a", "b", "c"},
        ),
        ('package main\nimport "a"\nvar text = `\nimport "no"\n`\n', {"a"}),
        ("package main\nimport (\n)\n", set()),
        ('package main\nimport (\n\t"a"\n', {"a"}),
        ("no Go at all", set()),
        ("", set()),
        ("package main" + " /* " * 10_000, set()),
    ],
)
def test_imports(text: str, expected: set[str]) -> None:
    """They stand behind the package clause; what looks like one elsewhere is none."""
    assert imports_in(text) == expected


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("apisix/plugins", Kind.APISIX),
        ("apisix", Kind.APISIX),
        ("kong", Kind.KONG),
        ("kong_without_main/go-old.go", Kind.KONG),
        ("tyk", Kind.TYK),
        ("proxy_wasm", Kind.PROXY_WASM),
    ],
)
def test_kinds(name: str, kind: Kind) -> None:
    """Of sources that real builds compile (tests/peers/test_recompile.py)."""
    assert detect(Source.at(SOURCES / name)) is kind


def test_a_main_may_leave_the_plugins_to_other_packages(tmp_path: Path) -> None:
    """Then those tell."""
    (tmp_path / "main.go").write_text('package main\nimport _ "example.test/plugins"\n')
    (tmp_path / "plugins").mkdir()
    inner = tmp_path / "plugins/a.go"
    inner.write_text('package plugins\nimport "github.com/apache/apisix-go-plugin-runner/pkg/plugin"\n')
    assert detect(Source.at(tmp_path), [inner]) is Kind.APISIX


def test_handlers_of_net_http_are_tyks(tmp_path: Path) -> None:
    """Tyk's own packages are needed for sessions and logs alone."""
    (tmp_path / "main.go").write_text('package main\nimport "net/http"\n')
    assert detect(Source.at(tmp_path)) is Kind.TYK


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('package main\nimport "fmt"\n', "imports none of github.com/proxy-wasm/proxy-wasm-go-sdk, "),
        (
            'package main\nimport ("github.com/Kong/go-pdk"; "github.com/TykTechnologies/tyk/ctx")\n',
            "imports packages of kong and of tyk: say which by --kind",
        ),
    ],
)
def test_what_cannot_be_told(tmp_path: Path, text: str, message: str) -> None:
    """Is left to the user."""
    (tmp_path / "main.go").write_text(text)
    with pytest.raises(HostError, match=message):
        detect(Source.at(tmp_path))


def test_tests_are_no_part_of_a_plugin(tmp_path: Path) -> None:
    """go-pdk has a package for tests, which is no reason to take a folder for a plugin of Kong."""
    (tmp_path / "main.go").write_text("package main\n")
    (tmp_path / "main_test.go").write_text('package main\nimport "github.com/Kong/go-pdk/test"\n')
    assert Source.at(tmp_path).imports() == set()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "is neither a folder nor a .go file"),
        ("plugin.so", "is neither"),
        (".", "has no .go files"),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, message: str) -> None:
    """Is named, with what would be one."""
    (tmp_path / "plugin.so").write_bytes(b"\x7fELF")
    with pytest.raises(HostError, match=message):
        Source.at(tmp_path / name)


def test_packages_that_nothing_stands_in_for(tmp_path: Path) -> None:
    """Are named before Go looks for them in the network, with those that are there."""
    (tmp_path / "main.go").write_text('package main\nimport "github.com/TykTechnologies/tyk/storage"\n')
    with pytest.raises(HostError) as caught:
        check_packages(Source.at(tmp_path), Kind.TYK)
    there = "apidef, ctx, header, headers, log, user"
    assert str(caught.value).endswith(
        f"imports github.com/TykTechnologies/tyk/storage, which is not there; there are: {there}; "
        "packages of the plugin's own belong into a module of its own"
    )


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.PROXY_WASM])
def test_packages_that_are_there(kind: Kind) -> None:
    """All that the plugins of the tests import."""
    check_packages(Source.at(SOURCES / kind.value), kind)
