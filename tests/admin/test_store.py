"""What was told outlives a restart where a store is configured, and meets files that change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.cli import main
from host.errors import ConfigError
from tests.admin.desk import FILE, ROUTE, Desk

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_store_a_restart_forgets(tmp_path: Path) -> None:
    """And no file appears."""
    Desk(tmp_path).ask("PUT", "/routes/1", ROUTE)
    assert Desk(tmp_path).uris() == ["/file", "/unnamed"]
    assert sorted(os.listdir(tmp_path)) == ["gateway.yaml", "hdr.wasm"]


def test_with_a_store_it_is_as_it_was(tmp_path: Path) -> None:
    """Resources, those that were deleted of the file, revisions and times."""
    desk = Desk(tmp_path, store="told.json")
    desk.ask("PUT", "/routes/1", ROUTE)
    desk.ask("DELETE", "/routes/arr_2")
    desk.ask("PUT", "/routes/7", {**ROUTE, "uri": "/seven"})
    shown = desk.ask("GET", "/routes")
    again = Desk(tmp_path, store="told.json")
    assert again.ask("GET", "/routes") == shown
    assert again.uris() == ["/seven", "/get"]
    assert again.ask("POST", "/routes", ROUTE)[1]["value"]["id"] == "00000000000000000004"
    assert (tmp_path / "told.json").stat().st_mode & 0o777 == 0o600


def test_what_is_refused_is_not_kept(tmp_path: Path) -> None:
    """Neither by the schema nor by workers."""
    desk = Desk(tmp_path, store="told.json")
    desk.ask("PUT", "/routes/1", ROUTE)
    kept = (tmp_path / "told.json").read_bytes()
    desk.refuse = ["no"]
    assert desk.ask("PUT", "/routes/2", ROUTE)[0] == 400
    assert desk.ask("PUT", "/routes/2", {})[0] == 400
    assert (tmp_path / "told.json").read_bytes() == kept


def test_a_change_that_cannot_be_kept_is_not_made(tmp_path: Path) -> None:
    """503, and nobody has been asked to serve it."""
    (tmp_path / "told.json.new").mkdir()
    desk = Desk(tmp_path, store="told.json")
    status, answer = desk.ask("PUT", "/routes/1", ROUTE)
    assert (status, answer["error_msg"]) == (
        503,
        f"{tmp_path}/told.json.new cannot be written: Is a directory",
    )
    assert desk.served == []
    assert desk.uris() == ["/file", "/unnamed"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not a store of the Admin API"),
        ("[]", "it has no 'format': 1"),
        ('{"format": 2}', "it has no 'format': 1"),
        ('{"format": 1, "revision": 1}', "its form is another"),
        (
            '{"format": 1, "revision": 1, "resources": {"routes": {"1": {"value": {}}}}}',
            "its form is another",
        ),
        (
            '{"format": 1, "revision": 1, "resources": {"routes": {"1": {"value": 1, "created": 1, "modified": 1}}}}',
            "resources that are no mappings",
        ),
        ('{"format": 1, "revision": 1, "resources": {"roots": {}}}', "kinds or revisions that are none"),
        ("[" * 100_000, "is not a store of the Admin API"),
    ],
)
def test_another_file_is_not_taken_for_a_store(tmp_path: Path, text: str, reason: str) -> None:
    """It is said, and left alone."""
    (tmp_path / "told.json").write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        Desk(tmp_path, store="told.json")
    assert str(caught.value).startswith(f"{tmp_path}/told.json: ")
    assert (tmp_path / "told.json").read_text() == text


def test_a_file_that_is_read_again_lies_below_what_was_told(tmp_path: Path) -> None:
    """What was told stays; a file that does not fit it is refused, with both places."""
    desk = Desk(tmp_path)
    desk.ask("PUT", "/routes/1", {"uri": "/told", "service_id": "s"})
    desk.ask("DELETE", "/routes/7")
    desk.path.write_text(FILE.replace("/file", "/changed").replace("/unnamed", "/new"))
    desk.resources.settle(desk.resources.reread())
    assert [route.uris for route in desk.resources.first().config.routes] == [("/new",), ("/told",)]
    desk.path.write_text(FILE.replace("id: s", "id: t").replace("service_id: t", "service_id: s"))
    with pytest.raises(ConfigError) as caught:
        desk.resources.reread()
    assert str(caught.value) == "/apisix/routes/1@1: service_id: no entry of services has id 's'"
    assert desk.uris() == ["/new", "/told"]
    assert desk.ask("PATCH", "/routes/1", {"desc": "still"})[0] == 200


def test_check_looks_at_the_store_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else it would find nothing wrong with what does not start."""
    desk = Desk(tmp_path, store="told.json")
    (tmp_path / "hdr.wasm").write_bytes(
        (ROOT / "testdata/plugins/custom_response_header/plugin.wasm").read_bytes()
    )
    desk.ask("PUT", "/routes/1", {"uri": "/told", "service_id": "s"})
    assert main(["check", str(desk.path)]) == 0
    assert capsys.readouterr().out == f"{desk.path}: no problem; plugins: 1, routes: 3\n"
    text = desk.path.read_text().replace("id: s,", "id: other,").replace("service_id: s", "service_id: other")
    desk.path.write_text(text)
    assert main(["check", str(desk.path)]) == 1
    assert "/apisix/routes/1@1: service_id: no entry of services has id 's'" in capsys.readouterr().err
