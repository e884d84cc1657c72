"""Bundles end to end: built by the command, served over HTTP on loopback, fetched, checked and run by a gateway."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from host.cli import main
from host.testing import ProxyServer
from tests.code.keys import rsa_keys
from tests.e2e.echo_json import Echo, echoing
from tests.e2e.test_tyk import definition

HOOKS = """
from host import PythonFilter

class Trace(PythonFilter):
    def on_request_headers(self, context, end_of_stream):
        context.request_headers.set(b"X-Trace", b"%s")
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[HTTPServer]:
    """Serve a folder's files over HTTP; `requests` has their paths."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Place:
    """A folder for bundles that are served, and one for the gateway."""

    def __init__(self, path: Path, echo: Echo, port: int) -> None:
        self.path, self.echo = path, echo
        self.served, self.gateway = path / "served", path / "gateway"
        self.gateway.mkdir()
        self.url = f"http://127.0.0.1:{port}"

    def build(self, name: str, trace: str, *arguments: str, **manifest: Any) -> Path:
        """Build a bundle by the command, and serve it."""
        source = self.path / f"source-{name}"
        source.mkdir(exist_ok=True)
        (source / "hooks.py").write_text(HOOKS % trace)
        made = {
            "file_list": ["hooks.py"],
            "custom_middleware": {"post": [{"name": "Trace", "path": "hooks.py"}]},
            "driver": "python",
            **manifest,
        }
        (source / "manifest.json").write_text(json.dumps(made))
        target = self.served / f"{name}.zip"
        words = [
            "bundle",
            "build",
            "-m",
            str(source / "manifest.json"),
            "-o",
            str(target),
            *(arguments or ("-y",)),
        ]
        assert main(words) == 0
        return target

    def config(self, bundle: str, **tyk: Any) -> dict[str, Any]:
        """An API with this bundle, and one without any."""
        api = definition(self.echo.server_port, custom_middleware_bundle=bundle)
        (self.gateway / "api.json").write_text(json.dumps(api))
        good = definition(self.echo.server_port, api_id="good")
        good["proxy"]["listen_path"] = "/good/"
        (self.gateway / "good.json").write_text(json.dumps(good))
        keys = {"enable_bundle_downloader": True, "bundle_base_url": self.url, **tyk}
        return {"tyk": {"apis": ["api.json", "good.json"], **keys}}

    def trace(self, proxy: ProxyServer) -> str | None:
        """What the bundle's hook has written; the other API is served whatever happens."""
        assert proxy.request("GET", "/good/").status == 200
        answer = proxy.request("GET", "/my_api_name/")
        if answer.status == 404:
            return None
        assert answer.status == 200
        found: str = json.loads(answer.body)["headers"]["X-Trace"]
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place, with its servers."""
    (tmp_path / "served").mkdir()
    with echoing() as echo, serving(tmp_path / "served") as server:
        yield Place(tmp_path, echo, server.server_port)


def test_a_bundle_over_http(place: Place) -> None:
    """A new version has a new name, and is taken up by a reload; the old name stays what it was."""
    place.build("one", "1")
    config = place.config("one.zip")
    with ProxyServer(place.gateway, config) as proxy:
        assert place.trace(proxy) == "1"
        place.build("one", "changed")
        proxy.reload(config)
        assert place.trace(proxy) == "1"
        place.build("two", "2")
        proxy.reload(place.config("two.zip"))
        assert place.trace(proxy) == "2"
    assert len([path for path in (place.gateway / "middleware/bundles").iterdir() if path.is_dir()]) == 2


def test_bundles_are_merged(place: Place) -> None:
    """In the order of their names."""
    place.build("one", "1")
    place.build("two", "2")
    with ProxyServer(place.gateway, place.config("one.zip, two.zip")) as proxy:
        assert place.trace(proxy) == "2"


def spoiled(path: Path, **values: Any) -> None:
    """Change a bundle's manifest."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = {**json.loads(files["manifest.json"]), **values}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, json.dumps(manifest) if name == "manifest.json" else data)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"checksum": "0" * 32}, "its checksum is"),
    ({"sha256": {"hooks.py": "0" * 64}}, "hooks.py: its sha256 is"),
    ({"file_list": ["../hooks.py"]}, "leads out of the bundle"),
    (
        {"file_list": [], "checksum": hashlib.md5(b"").hexdigest(), "sha256": {}},
        "hooks.py is not in its file_list",
    ),
    ({"custom_middleware": {"post": [{"nam": "x"}]}}, "unknown key; did you mean 'name'"),
    ({"file_list": "hooks.py"}, "file_list: expected a list"),
]


def test_bundles_that_are_not_good_leave_their_apis_out(place: Place) -> None:
    """Each with its reason; nothing of them is kept, and the other API is served."""
    config = place.config("unused")
    config["tyk"]["apis"] = ["good.json"]
    for number, (values, _) in enumerate(BAD):
        spoiled(place.build(f"bad{number}", "1"), **values)
        api = definition(
            place.echo.server_port, api_id=f"bad{number}", custom_middleware_bundle=f"bad{number}.zip"
        )
        api["proxy"]["listen_path"] = f"/bad{number}/"
        (place.gateway / f"bad{number}.json").write_text(json.dumps(api))
        config["tyk"]["apis"].append(f"bad{number}.json")
    with ProxyServer(place.gateway, config) as proxy:
        for number, (_, reason) in enumerate(BAD):
            proxy.wait_for(f"bundle bad{number}.zip: .*{reason}")
            assert proxy.request("GET", f"/bad{number}/").status == 404
        assert proxy.request("GET", "/good/").status == 200
    assert [path for path in (place.gateway / "middleware/bundles").iterdir() if path.is_dir()] == []


def test_signatures(place: Place) -> None:
    """With a public key, what is not signed for it is refused; what is, is served."""
    private, public = rsa_keys(place.path)
    other, _ = rsa_keys(place.path, "other")
    place.build("unsigned", "1")
    place.build("other", "1", "-k", str(other))
    place.build("signed", "1", "-k", str(private))
    for name, reason in (("unsigned", "it is not signed"), ("other", "it is signed by another key")):
        with ProxyServer(place.gateway, place.config(f"{name}.zip", public_key_path=str(public))) as proxy:
            assert place.trace(proxy) is None
            proxy.wait_for(reason)
    with ProxyServer(place.gateway, place.config("signed.zip", public_key_path=str(public))) as proxy:
        assert place.trace(proxy) == "1"


def test_the_last_good_one_stays(place: Place) -> None:
    """A reload with a bundle that is not good is refused; a start takes the last good one, and says so."""
    place.build("one", "1")
    with ProxyServer(place.gateway, place.config("one.zip")) as proxy:
        assert place.trace(proxy) == "1"
        spoiled(place.build("two", "2"), checksum="")
        with pytest.raises(AssertionError, match="its checksum is"):
            proxy.reload(place.config("two.zip"))
        assert place.trace(proxy) == "1"
    with ProxyServer(place.gateway, place.config("two.zip")) as proxy:
        proxy.wait_for("the last good one, one.zip, takes its place")
        assert place.trace(proxy) == "1"
        place.build("two", "2")
        proxy.reload(place.config("two.zip"))
        assert place.trace(proxy) == "2"


def test_an_unpacked_bundle_that_was_changed_is_not_trusted(place: Place) -> None:
    """But where the operator says so."""
    place.build("one", "1")
    config = place.config("one.zip")
    with ProxyServer(place.gateway, config) as proxy:
        assert place.trace(proxy) == "1"
    (hooks,) = (place.gateway / "middleware/bundles").glob("*/hooks.py")
    hooks.write_text(HOOKS % "edited")
    with ProxyServer(place.gateway, config) as proxy:
        assert place.trace(proxy) is None
    trusting = place.config("one.zip", skip_verify_existing_plugin_bundle=True)
    with ProxyServer(place.gateway, trusting) as proxy:
        assert place.trace(proxy) == "edited"


def test_a_server_without_the_bundle(place: Place) -> None:
    """Its status is told; so is that bundles are not to be fetched at all."""
    with ProxyServer(place.gateway, place.config("none.zip")) as proxy:
        proxy.wait_for("none.zip: status 404")
        assert place.trace(proxy) is None
    with ProxyServer(place.gateway, place.config("none.zip", enable_bundle_downloader=False)) as proxy:
        proxy.wait_for("needs tyk.enable_bundle_downloader")
        assert place.trace(proxy) is None


# --- the command


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"custom_middleware": {}}, "custom_middleware: has no hook"),
        ({"driver": ""}, "custom_middleware.driver: lacks 'driver'"),
        ({"file_list": ["hooks.py", "none.py"]}, "none.py: no such file"),
        ({"file_list": []}, "file_list: lacks 'hooks.py', which a hook is in"),
    ],
)
def test_a_manifest_that_makes_no_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], manifest: dict[str, Any], reason: str
) -> None:
    """Tyk's bundler refuses the same."""
    (tmp_path / "hooks.py").write_text("")
    made = {
        "file_list": ["hooks.py"],
        "custom_middleware": {"post": [{"name": "Trace", "path": "hooks.py"}]},
        "driver": "python",
        **manifest,
    }
    (tmp_path / "manifest.json").write_text(json.dumps(made))
    words = ["bundle", "build", "-m", str(tmp_path / "manifest.json"), "-o", str(tmp_path / "b.zip"), "-y"]
    assert main(words) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "b.zip").exists()


def test_a_bundle_is_not_left_unsigned_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can be asked, -y has to say it."""
    (tmp_path / "manifest.json").write_text("{}")
    assert (
        main(["bundle", "build", "-m", str(tmp_path / "manifest.json"), "-o", str(tmp_path / "b.zip")]) == 1
    )
    assert "give a key with -k, or -y" in capsys.readouterr().err
