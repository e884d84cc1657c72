"""Bundles: packed, fetched, checked, unpacked whole or not at all; and the many ways in which one is refused."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from host.code import CodeError, bundle
from host.code.bundle import pack, sign, unpack, verify
from host.code.bundles import Bundle, Bundles
from tests.code.keys import rsa_keys


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip file with these entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return made.getvalue()


def reason(data: bytes, folder: Path) -> str:
    """Why it is not unpacked."""
    with pytest.raises(CodeError) as caught:
        unpack(data, folder)
    assert caught.value.is_final
    return str(caught.value)


def test_what_is_packed_is_unpacked(tmp_path: Path) -> None:
    """Files in folders included; the same content makes the same bytes."""
    source, target = tmp_path / "a", tmp_path / "b"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    (source / "x.wasm").write_bytes(b"\0asm")
    (source / "sub/y.py").write_bytes(b"pass")
    made = pack(source, ["x.wasm", "sub/y.py"], "{}")
    assert made == pack(source, ["sub/y.py", "x.wasm"], "{}")
    unpack(made, target)
    assert (target / "x.wasm").read_bytes() == b"\0asm"
    assert (target / "sub/y.py").read_bytes() == b"pass"
    assert (target / "manifest.json").read_bytes() == b"{}"


LINK = zipfile.ZipInfo("link")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "..\\x", "c:x", "a\nb", ".."], ids=lambda name: repr(name)
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written outside of the folder."""
    inner = tmp_path / "inner"
    inner.mkdir()
    assert "leads out of the bundle" in reason(zipped((name, b"x")), inner)
    assert list(tmp_path.iterdir()) == [inner]
    assert list(inner.iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    """They would lead out, too."""
    assert "neither a file nor a folder" in reason(zipped((LINK, b"/etc/passwd")), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    """Readers differ in which one they take."""
    assert "twice" in reason(zipped(("a", b"1"), ("a", b"2")), tmp_path)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little it is packed, and whatever size it claims: bytes are counted as they are written."""
    monkeypatch.setattr(bundle, "MAX_UNPACKED_SIZE", 1_000_000)
    data = zipped(("zeros", bytes(5_000_000)))
    assert len(data) < 10_000
    assert "more than 1000000 bytes unpacked" in reason(data, tmp_path)
    lying = data.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert "no zip file that can be read" in reason(lying, tmp_path / "other")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first is written."""
    monkeypatch.setattr(bundle, "MAX_FILES", 3)
    assert "more than 3 files" in reason(zipped(*((str(n), b"") for n in range(4))), tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK", b"\0" * 100, zipped(("a", b"1" * 1000))[:-30]])
def test_what_is_no_zip_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """With its reason."""
    assert "no zip file that can be read" in reason(data, tmp_path)


def test_damaged_content_is_refused(tmp_path: Path) -> None:
    """Its CRC tells."""
    data = bytearray(zipped(("a", bytes(range(256)) * 20)))
    data[50] ^= 0xFF
    assert "no zip file that can be read" in reason(bytes(data), tmp_path)


# --- what the manifest says of the files


def checked(folder: Path, **changes: object) -> None:
    data = b"onetwo"
    given: dict[str, object] = {
        "checksum": hashlib.md5(data).hexdigest(),
        "signature": "",
        "digests": {},
        "public_key": None,
    }
    verify(folder, ["1", "2"], **{**given, **changes})  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with two files."""
    (tmp_path / "1").write_bytes(b"one")
    (tmp_path / "2").write_bytes(b"two")
    return tmp_path


def test_the_checksum_is_of_the_files_in_their_order(files: Path) -> None:
    """Tyk's: MD5 over all contents."""
    checked(files)
    with pytest.raises(CodeError, match="its checksum is 5b9164ad6f496d9dee12ec7634ce253f, not given"):
        checked(files, checksum="")
    with pytest.raises(CodeError, match="not 00"):
        checked(files, checksum="00")


def test_the_sha256_of_a_file(files: Path) -> None:
    """Sluiceway's own: MD5 is no protection."""
    checked(files, digests={"1": hashlib.sha256(b"one").hexdigest()})
    with pytest.raises(CodeError, match="1: its sha256 is"):
        checked(files, digests={"1": "0" * 64})


def test_signatures(files: Path, tmp_path: Path) -> None:
    """The right key's passes; another key's, none, and one of other bytes do not."""
    private, public = rsa_keys(tmp_path)
    _, other = rsa_keys(tmp_path, "other")
    signature = sign(b"onetwo", private)
    checked(files, signature=signature, public_key=public)
    with pytest.raises(CodeError, match="signed by another key"):
        checked(files, signature=signature, public_key=other)
    with pytest.raises(CodeError, match="signed by another key"):
        checked(files, signature=sign(b"onetwO", private), public_key=public)
    with pytest.raises(CodeError, match="not signed"):
        checked(files, public_key=public)
    with pytest.raises(CodeError, match="not base64"):
        checked(files, signature="***", public_key=public)
    with pytest.raises(CodeError, match="public_key_path"):
        checked(files, signature=signature, public_key=tmp_path / "none")


# --- fetching and installing


def nothing(_: Bundle) -> None:
    """Every bundle is good."""


def refuse(_: Bundle) -> None:
    """None is."""
    raise CodeError("refused", is_final=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of bundles, as `file://` has them."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "good.zip").write_bytes(zipped(("manifest.json", b"{}"), ("x", b"1")))
    (folder / "bare.zip").write_bytes(zipped(("x", b"1")))
    return folder


def test_a_bundle_is_installed_once(tmp_path: Path, source: Path) -> None:
    """Under the MD5 of its name; it is not fetched again."""
    bundles = Bundles(tmp_path / "bundles", f"file://{source}")
    found = bundles.get("good.zip", nothing)
    assert found.folder.name == hashlib.md5(b"good.zip").hexdigest()
    assert (found.folder / "x").read_bytes() == b"1"
    (source / "good.zip").unlink()
    assert bundles.get("good.zip", nothing) == found


Get = Callable[[Bundles], Bundle]


@pytest.mark.parametrize(
    ("get", "why"),
    [
        (lambda bundles: bundles.get("good.zip", refuse), "refused"),
        (lambda bundles: bundles.get("bare.zip", nothing), "it has no manifest.json"),
        (lambda bundles: bundles.get("none.zip", nothing), "No such file"),
        (lambda bundles: bundles.get("../good.zip", nothing), "leads out"),
    ],
)
def test_a_bundle_that_is_not_good_leaves_nothing(tmp_path: Path, source: Path, get: Get, why: str) -> None:
    """No folder of it, whole or in part."""
    bundles = Bundles(tmp_path / "bundles", f"file://{source}")
    with pytest.raises(CodeError, match=why):
        get(bundles)
    left = [path for path in (tmp_path / "bundles").glob("*") if path.is_dir()]
    assert left == []


def test_the_last_good_one_is_remembered(tmp_path: Path, source: Path) -> None:
    """By who used it; one that is not good any more is none."""
    bundles = Bundles(tmp_path / "bundles", f"file://{source}")
    assert bundles.last_good("api", nothing) is None
    found = bundles.get("good.zip", nothing)
    bundles.remember("api", "good.zip")
    assert bundles.last_good("api", nothing) == found
    assert bundles.last_good("other", nothing) is None
    assert bundles.last_good("api", refuse) is None


def test_a_server_that_is_down_is_not_asked_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration may be made anew many times in a row, and each would wait for all tries."""
    asked: list[str] = []

    class Down:
        def __init__(self, **_: object) -> None:
            """As HttpClient."""

        def get(self, url: str, limit: int) -> None:
            asked.append(url)
            raise CodeError("refused")

    monkeypatch.setattr("host.code.bundles.HttpClient", Down)
    for _ in range(2):
        with pytest.raises(CodeError, match="refused"):
            Bundles(tmp_path, "http://127.0.0.1:1/down").get("a.zip", nothing)
    assert asked == ["http://127.0.0.1:1/down/a.zip"]
