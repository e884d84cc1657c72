"""When files count as changed, and which files a configuration has; a look is a call, and no time passes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.config.watch import Signature, Watch
from host.config.watched import WatchedFiles
from host.errors import ConfigError

A, B = Path("/a"), Path("/b")
ROUTES = "routes: [{uri: /*, upstream: {nodes: {'127.0.0.1:1': 1}}}]\n"


class Disk:
    """Says of each file what it is told to; `watch` looks there."""

    def __init__(self, **files: int) -> None:
        self.now: dict[Path, Signature] = {Path("/" + name): (value,) for name, value in files.items()}
        self.watch = Watch(lambda path: self.now.get(path))
        self.watch.take({each: self.watch.sign(each) for each in (A, B)})

    def look(self, **files: int | None) -> list[Path]:
        """Look after these files have become something else, or None: nothing."""
        self.now.update({Path("/" + n): None if v is None else (v,) for n, v in files.items()})
        return self.watch.look()


def test_a_change_is_told_once_when_it_is_over() -> None:
    """At the look behind the one that found it; what it changes to meanwhile puts that off."""
    disk = Disk(a=1, b=1)
    assert disk.look() == []
    assert disk.look(a=2) == []
    assert disk.look(a=3) == []
    assert disk.look() == [A]
    assert [disk.look(), disk.look()] == [[], []]


def test_files_that_change_together_are_told_together() -> None:
    """One of them is still written: the other waits for it."""
    disk = Disk(a=1, b=1)
    assert disk.look(a=2) == []
    assert disk.look(b=2) == []
    assert disk.look() == [A, B]


def test_what_changes_back_has_not_changed() -> None:
    """Nor has a file that is gone for some looks and comes back as it was."""
    disk = Disk(a=1, b=1)
    assert [disk.look(a=2), disk.look(a=1), disk.look()] == [[], [], []]
    assert [disk.look(a=None), disk.look(), disk.look(), disk.look(a=1), disk.look()] == [[]] * 5


def test_a_file_that_is_gone_is_told_when_another_is_there() -> None:
    """As is one that was not there when it was looked for."""
    disk = Disk(a=1)
    assert [disk.look(a=None), disk.look(), disk.look(a=2), disk.look()] == [[], [], [], [A]]
    assert [disk.look(b=1), disk.look()] == [[], [B]]


def test_what_was_read_anew_meanwhile_is_not_told() -> None:
    """SIGHUP was faster."""
    disk = Disk(a=1, b=1)
    assert disk.look(a=2) == []
    disk.watch.take({A: (2,)})
    assert [disk.look(), disk.look(b=7), disk.look()] == [[], [], []]  # b is not looked at any more


def replace(path: Path, text: str) -> None:
    """Put another file in its place, as editors do."""
    new = path.with_name("new")
    new.write_text(text)
    os.replace(new, path)


def told(watch: Watch) -> list[str]:
    """The names of files that two looks tell."""
    return [each.name for each in (*watch.look(), *watch.look())]


def test_signatures_tell_edits_of_any_kind(tmp_path: Path) -> None:
    """In place, by a rename with the same size and time, by a link that leads elsewhere, in a folder, in what it has."""
    old, new = tmp_path / "old", tmp_path / "new-folder"
    for folder in (old, new):
        folder.mkdir()
        (folder / "apisix.yaml").write_text("same")
        os.utime(folder / "apisix.yaml", ns=(5, 5))
    link, apis = tmp_path / "link", tmp_path / "apis"
    link.symlink_to("old")
    apis.mkdir()
    (apis / "one.json").write_text("{}")
    watch = Watch()
    watch.take({each: watch.sign(each) for each in (link / "apisix.yaml", apis)})
    assert told(watch) == []
    swapped = tmp_path / "swapped"
    swapped.symlink_to("new-folder")
    os.replace(swapped, link)
    assert told(watch) == ["apisix.yaml"]
    (new / "apisix.yaml").write_text("other")
    assert told(watch) == ["apisix.yaml"]
    (apis / "notes.txt").write_text("no definition")
    assert told(watch) == []
    (apis / "two.json").write_text("{}")
    assert told(watch) == ["apis"]
    replace(apis / "one.json", "[]")
    assert told(watch) == ["apis"]
    (apis / "one.json").unlink()
    assert told(watch) == ["apis"]


def watched(path: Path, *, watches_all: bool) -> set[str]:
    """The files that are looked at once the configuration was read, relative to its folder."""
    watch = Watch()
    WatchedFiles(path, watch, watches_all=watches_all).read()
    return {str(each.relative_to(path.parent)) for each in watch.files}


def test_resources_of_their_own_are_always_watched(tmp_path: Path) -> None:
    """At both places where they may be; one file that holds all is watched where it is asked for."""
    config = tmp_path / "config.yaml"
    config.write_text(ROUTES)
    assert watched(config, watches_all=False) == set()
    assert watched(config, watches_all=True) == {"config.yaml"}
    config.write_text("workers: 1\n")
    (tmp_path / "apisix.yaml").write_text(ROUTES + "#END\n")
    assert watched(config, watches_all=False) == {"apisix.yaml", "conf/apisix.yaml"}
    assert watched(config, watches_all=True) == {"config.yaml", "apisix.yaml", "conf/apisix.yaml"}


def test_all_files_are_watched_that_are_named(tmp_path: Path) -> None:
    """Those that are not there, too, and those of a configuration that is refused."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "wasm: {plugins: [{name: p, priority: 1, file: p.wasm}, {name: q, url: 'oci://h/q'}, 3]}\n"
        "kong: {declarative_config: kong.yml}\ntyk: {apis: [one.json, apis, {name: inline}]}\nwrkers: 1\n"
    )
    assert watched(config, watches_all=True) == {"config.yaml", "p.wasm", "kong.yml", "one.json", "apis"}
    assert watched(config, watches_all=False) == set()
    config.write_text("wasm: [1]\nkong: 2\ntyk: {apis: 3}\nroutes: []\n")
    assert watched(config, watches_all=True) == {"config.yaml"}


def test_a_change_while_files_are_read_is_told(tmp_path: Path) -> None:
    """What counts is what they were before."""
    config = tmp_path / "config.yaml"
    config.write_text(ROUTES)
    signed: list[Path] = []

    def sign(path: Path) -> Signature:
        signed.append(path)
        if signed.count(config) == 1 and path != config:
            config.write_text(ROUTES + "workers: 1\n")  # behind the first look at it, before it is read
        return (path.stat().st_size,) if path.exists() else None

    watch = Watch(sign)
    WatchedFiles(config, watch, watches_all=True).read()
    assert told(watch) == ["config.yaml"]


def test_a_file_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    """All are looked at on, and the next change is told again."""
    config, resources = tmp_path / "config.yaml", tmp_path / "apisix.yaml"
    config.write_text("workers: 1\n")
    resources.write_text(ROUTES + "#END\n")
    watch = Watch()
    sources = WatchedFiles(config, watch)
    sources.read()
    resources.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-16"):
        sources.read()
    assert told(watch) == []
    resources.write_text(ROUTES + "#END\n")
    assert told(watch) == ["apisix.yaml"]
