"""YAML text into values: the core schema of YAML 1.2, the lines of problems, and texts made to hurt a reader."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.config.document import format_path
from host.config.parse import MAX_DEPTH, parse
from host.config.text import decode, read_text
from host.errors import Problem


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f.yaml").problems]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("on", "on"),
        ("no", "no"),
        ("y", "y"),
        ("12", 12),
        ("-7", -7),
        ("0o17", 15),
        ("017", 17),
        ("0xff", 255),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-11-21", "2026-11-21"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(scalar: str, value: object) -> None:
    """YAML 1.1 would make booleans of `on`, seconds of `1:30` and dates of dates."""
    document = parse(f"key: {scalar}", "f.yaml")
    assert document.problems == []
    assert document.root.value == {"key": value}
    assert type(document.root.value["key"]) is type(value)


@pytest.mark.parametrize("key", ["on", "yes", "n", "80:80"])
def test_a_key_that_yaml_1_1_would_convert_stays_text(key: str) -> None:
    """`on:` as a key is the best known trap of YAML 1.1."""
    assert parse(f"{key}: 1", "f.yaml").root.value == {key: 1}


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_document_has_no_value_and_no_problem(text: str) -> None:
    """An apisix.yaml may be empty but for its #END."""
    document = parse(text, "f.yaml")
    assert document.root.value is None
    assert document.problems == []


HAZARDS = [
    ("a: 1\nb: 2\na: 3", ["f.yaml:3: key 'a' stands here twice, the first time in line 1"]),
    ("r:\n  - {x: 1, x: 2}", ["f.yaml:2: r[0]: key 'x' stands here twice, the first time in line 2"]),
    ("a:\n  80: x", ["f.yaml:2: a: key 80 is not text: quote it"]),
    ("true: x", ["f.yaml:1: key True is not text: quote it"]),
    ("~: x", ["f.yaml:1: key None is not text: quote it"]),
    ("? [1, 2]\n: x", ["f.yaml:1: key a list or mapping is not text: quote it"]),
    (
        "a:\n\tb: 1",
        [
            "f.yaml:2: is not YAML: while scanning for the next token found character that cannot start any token "
            "(is it a tab? YAML indents with spaces; does the text begin with @, ` or %? Then quote it)"
        ],
    ),
    ("a: 1\n---\nb: 2", ["f.yaml:2: a second document begins here: one file holds one"]),
    ("a: &x [*x]", ["f.yaml:1: a: alias *x stands inside what it names"]),
    ("uri: *", None),
    ("uri: *b", ["f.yaml:1: alias *b has no anchor (a text with '*' needs quotes)"]),
    ("a: \x01", ["f.yaml:1: has a character that YAML forbids: U+0001"]),
    (
        "a: !!python/object:os.system x",
        ["f.yaml:1: tag 'tag:yaml.org,2002:python/object:os.system' is not known here: remove it"],
    ),
    ("a: !!set {x}", ["f.yaml:1: tag 'tag:yaml.org,2002:set' is not known here: remove it"]),
    ("a: .inf", ["f.yaml:1: number .inf is not finite"]),
    ("a: 1e999", ["f.yaml:1: number 1e999 is not finite"]),
    ("a: " + "9" * 5000, ["f.yaml:1: number " + "9" * 40 + "… has too many digits"]),
    ("<<: 1", ["f.yaml:1: '<<' takes a mapping or a list of mappings"]),
    ("[" * 100_000, None),
    ("{a: " * 100_000, None),
    ("- " * 100_000, None),
]


@pytest.mark.parametrize(("text", "expected"), HAZARDS, ids=lambda value: repr(value)[:30])
def test_each_hazard_has_its_message_and_line(text: str, expected: list[str] | None) -> None:
    """A text that YAML readers stumble over is told of, with the line; None: some message in libyaml's words."""
    found = problems_of(text)
    assert found == expected if expected is not None else len(found) == 1 and found[0].startswith("f.yaml:1")


def test_nesting_is_bounded_through_aliases_too() -> None:
    """A chain of aliases nests as deep as it is long, with no bracket inside a bracket."""
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
    (problem,) = parse(chain, "f.yaml").problems
    assert problem.message == f"nested deeper than {MAX_DEPTH} levels"


def test_an_alias_bomb_is_counted_not_expanded() -> None:
    """Ten levels of nine aliases would be 3.5 thousand million values."""
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 11))
    (problem,) = parse(bomb, "f.yaml").problems
    assert "with all aliases written out" in problem.message
    assert problem.line == 7  # a6 has 9 to the 7th values


def test_problems_of_one_file_are_bounded() -> None:
    """A file of another kind would have one a line."""
    problems = parse("".join(f"{i}: x\n" for i in range(5000)), "f.yaml").problems
    assert len(problems) == 101
    assert problems[-1].message == "too many problems: the rest of the file was not read"


def test_aliases_and_merge_keys_are_written_out() -> None:
    """Anchors save repetition in real files; keys already there stay as they are."""
    text = "base: &base {type: roundrobin, retries: 1}\nown:\n  <<: *base\n  retries: 2\nsame: *base\n"
    root = parse(text, "f.yaml").root.value
    assert root["own"] == {"type": "roundrobin", "retries": 2}
    assert root["same"] == {"type": "roundrobin", "retries": 1}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("routes",), 1),
        (("routes", 0), 2),
        (("routes", 0, "upstream", "nodes"), 4),
        (("routes", 0, "upstream", "nodes", "a:80"), 5),
        (("routes", 0, "upstream", "missing"), 3),
        (("routes", 1, "uri"), 6),
        (("routes", 1, "hosts", 1), 8),
    ],
)
def test_a_problem_has_the_line_of_its_key(path: tuple[str | int, ...], line: int) -> None:
    """Of its key, its list entry, or of the nearest thing above that is there."""
    text = "routes:\n  - uri: /\n    upstream:\n      nodes:\n        a:80: 1\n  - uri: /\n    hosts: [a,\n      b]\n"
    assert parse(text, "f.yaml").problem(path, "x").line == line


def test_paths_are_written_as_users_write_them() -> None:
    """Dots between keys, brackets around indexes, quotes where a key has more than word characters."""
    assert format_path(("routes", 0, "upstream", "nodes", "a:80")) == 'routes[0].upstream.nodes."a:80"'
    assert format_path(("plugins", "a-b", "x\ny")) == 'plugins.a-b."x\\ny"'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: 1\nb: \xff", "f:2: is not UTF-8: byte 0xff fits no character"),
        (b"a: \xc3", "f:1: is not UTF-8: byte 0xc3 fits no character"),
        ("a: 1".encode("utf-16"), "f:1: is UTF-16: save it as UTF-8"),
    ],
)
def test_other_encodings_are_named(data: bytes, message: str) -> None:
    """YAML files of ours are UTF-8."""
    assert str(decode(data, "f")) == message


def test_a_byte_order_mark_is_taken_off() -> None:
    """Editors on Windows write one."""
    assert decode(b"\xef\xbb\xbfa: 1", "f") == "a: 1"


def test_what_is_no_readable_file_is_a_problem(tmp_path: Path) -> None:
    """A pipe that nobody writes to must not hang the start."""
    os.mkfifo(tmp_path / "pipe")
    for name, reason in [
        ("pipe", "is not a regular file"),
        ("", "is not a regular file"),
        ("no", "cannot be read: "),
    ]:
        problem = read_text(tmp_path / name, "f")
        assert isinstance(problem, Problem)
        assert reason in problem.message


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """The size is looked at before the content."""
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(2**40)
    problem = read_text(path, "f")
    assert isinstance(problem, Problem)
    assert "at most 67108864 are read" in problem.message
