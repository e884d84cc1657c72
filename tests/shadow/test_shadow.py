"""A plugin and its shadow in a gateway: what is compared, what is told, and that nobody notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host.cli import main
from host.proxy import Proxy
from tests.e2e.embedded import ask, echo, load, plugin, serve_origin
from tests.e2e.gateway import run

ROOT = Path(__file__).resolve().parents[2]
NOTHING = {"nothing": True}
HEADER = json.dumps({"headers": [{"name": "X-A", "value": "1"}]})


def configuration(port: int, folder: Path, conf: Any, other: Any, used: str = "used", **shadow: Any) -> str:
    """A route whose plugin has a shadow, both scripted."""
    shadow = {"plugin": "other", "conf": other or NOTHING, **shadow}
    return json.dumps(
        {
            "python": {
                "path": [str(ROOT)],
                "plugins": [
                    {"name": "used", "priority": 1, "class": "tests.shadow.filters:Scripted"},
                    {"name": "other", "priority": 1, "class": "tests.shadow.filters:Scripted"},
                    {"name": "late", "priority": 1, "class": "tests.shadow.filters:Late"},
                ],
            },
            "wasm": {"plugins": [{"name": "wasm", "priority": 1, "file": plugin("custom_response_header")}]},
            "shadow_report": str(folder / "report.jsonl"),
            "routes": [
                {
                    "uri": "/*",
                    "upstream": {"nodes": {f"127.0.0.1:{port}": 1}},
                    "plugins": {used: {"conf": conf or NOTHING, "_meta": {"shadow": shadow}}},
                }
            ],
        }
    )


@asynccontextmanager
async def shadowed(folder: Path, conf: Any, other: Any, **shadow: Any) -> AsyncIterator[Proxy]:
    async with (
        serve_origin(echo) as port,
        Proxy(load(configuration(port, folder, conf, other, **shadow))) as proxy,
    ):
        assert not proxy.problems
        yield proxy


def results(proxy: Proxy) -> dict[str, int]:
    """How many requests had which result."""
    lines = [line for line in proxy.metrics().splitlines() if "plugin_shadow_requests_total{" in line]
    return {line.partition('result="')[2].partition('"')[0]: int(line.rpartition(" ")[2]) for line in lines}


async def told(proxy: Proxy, count: int = 1) -> dict[str, int]:
    """The results once so many requests have one."""
    async with asyncio.timeout(10):
        while sum(results(proxy).values()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return results(proxy)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("used", "other", "expected"),
    [
        ({}, {}, []),
        ({"request": {"x-a": "1"}}, {"request": {"X-A": "1"}}, []),
        ({"response": {"x-a": "1"}}, {"response": {"x-a": "1"}}, []),
        ({"answer": 418, "text": "tea"}, {"answer": 418, "text": "tea"}, []),
        ({"body": "new"}, {"body": "new"}, []),
        ({"response_body": "new"}, {"response_body": "new"}, []),
        ({"request": {"x-a": "1"}}, {}, [("request x-a", "1", "as it was")]),
        ({"request": {":path": "/new"}}, {"request": {":path": "/old"}}, [("request :path", "/new", "/old")]),
        ({}, {"response": {"x-a": "1"}}, [("response x-a", "as it was", "1")]),
        ({}, {"answer": 403}, [("action", "goes on", "answers 403")]),
        ({"answer": 403}, {}, [("action", "answers 403", "goes on")]),
        ({}, {"fail": 1}, [("action", "goes on", "answers 500 (python_filter_failed)")]),
    ],
)
def test_effects_are_compared(tmp_path: Path, used: Any, other: Any, expected: Any) -> None:
    """With content on both sides; what the client gets is the plugin's alone."""

    async def test() -> None:
        async with shadowed(tmp_path, used, other) as proxy:
            answer = await ask(proxy, "/path?q=secret", "POST", body=b"text")
            assert answer.status == used.get("answer", 200)
            field = used.get("response", {}).get("x-a")
            assert answer.field(b"x-a") == (field.encode() if field else None)
            assert await told(proxy) == {"different" if expected else "equal": 1}
        found = [
            (each["what"], each["used"], each["other"])
            for row in rows(tmp_path)
            for each in row["differences"]
        ]
        assert found == expected
        if expected:
            assert (rows(tmp_path)[0]["method"], rows(tmp_path)[0]["path"]) == ("POST", "/path")

    run(test())


@pytest.mark.parametrize(
    ("used", "other", "what"),
    [("body", "body", "request body"), ("response_body", "response_body", "response body")],
)
def test_bodies_are_compared_by_their_digests(tmp_path: Path, used: str, other: str, what: str) -> None:
    async def test() -> None:
        async with shadowed(tmp_path, {used: "one"}, {other: "two"}) as proxy:
            answer = await ask(proxy, "/", "POST", body=b"text")
            assert answer.body == b"one"
            assert await told(proxy) == {"different": 1}
        assert [each["what"] for each in rows(tmp_path)[0]["differences"]] == [what]

    run(test())


def test_lengths_stay_as_they_are(tmp_path: Path) -> None:
    """The taps only read: nothing is framed anew for their sake, in either direction."""

    async def test() -> None:
        async with shadowed(tmp_path, HEADER, {"response": {"x-a": "1"}}, used="wasm") as proxy:
            answer = await ask(proxy, "/", "POST", body=b"x" * 300_000)
            assert answer.body == b"x" * 300_000  # which the origin takes by its Content-Length alone
            assert answer.field(b"content-length") == b"300000"
            assert await told(proxy) == {"equal": 1}

    run(test())


def test_plugins_that_take_their_time_are_compared(tmp_path: Path) -> None:
    """The response comes while the shadow still has the request, or the other way round."""

    async def test() -> None:
        async with shadowed(tmp_path, {"request": {"x-a": "1"}}, {}, plugin="late") as proxy:
            assert (await ask(proxy, "/")).status == 200
            assert await told(proxy) == {"equal": 1}
        async with shadowed(tmp_path, {}, {"request": {"x-a": "1"}}, used="late") as proxy:
            assert (await ask(proxy, "/")).status == 200
            assert await told(proxy) == {"equal": 1}

    run(test())


def test_a_shadow_that_never_ends_is_incomplete_and_harms_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with shadowed(tmp_path, {}, {"hang": 1}, timeout=0.05) as proxy:
            for _ in range(3):
                assert (await ask(proxy, "/")).status == 200
            assert await told(proxy, 3) == {"incomplete": 3}
        assert rows(tmp_path) == []

    run(test())


def test_more_than_may_wait_are_skipped(tmp_path: Path) -> None:
    """Shadows that hang take no more memory than this many exchanges."""

    async def test() -> None:
        async with shadowed(tmp_path, {}, {"hang": 1}, timeout=60) as proxy:
            for _ in range(260):
                assert (await ask(proxy, "/")).status == 200
            assert await told(proxy, 4) == {"skipped": 4}

    run(test())


def test_the_shadow_may_be_the_one_that_counts(tmp_path: Path) -> None:
    """The step behind a port that has proved itself."""

    async def test() -> None:
        async with shadowed(
            tmp_path, {"response": {"x-a": "old"}}, {"response": {"x-a": "new"}}, serve="shadow"
        ) as proxy:
            assert (await ask(proxy, "/")).field(b"x-a") == b"new"
            assert await told(proxy) == {"different": 1}
        (row,) = rows(tmp_path)
        assert (row["plugin"], row["shadow"]) == ("other", "used")
        assert row["differences"] == [{"what": "response x-a", "used": "new", "other": "old"}]

    run(test())


def test_a_sample_of_none_compares_none(tmp_path: Path) -> None:
    async def test() -> None:
        async with shadowed(tmp_path, {}, {"answer": 403}, sample=0) as proxy:
            assert (await ask(proxy, "/")).status == 200
            assert results(proxy) == {}

    run(test())


def test_fields_may_be_left_out(tmp_path: Path) -> None:
    async def test() -> None:
        async with shadowed(tmp_path, {}, {"request": {"X-Id": "7"}}, ignore_headers=["X-Id"]) as proxy:
            await ask(proxy, "/")
            assert await told(proxy) == {"equal": 1}

    run(test())


def test_a_wasm_plugin_is_the_shadow_of_one_in_python(tmp_path: Path) -> None:
    """The move that this is made for: another kind, the same effect."""

    async def test() -> None:
        async with shadowed(tmp_path, {"response": {"X-A": "1"}}, HEADER, plugin="wasm") as proxy:
            answer = await ask(proxy, "/")
            assert answer.field(b"x-a") == b"1"
            assert await told(proxy) == {"equal": 1}

    run(test())


def test_a_shadow_that_does_not_come_up_takes_no_route_down(tmp_path: Path) -> None:
    async def test() -> None:
        async with serve_origin(echo) as port:
            text = configuration(port, tmp_path, {}, "{", plugin="wasm")
            async with Proxy(load(text)) as proxy:
                assert any("_meta.shadow" in str(problem) for problem in proxy.problems)
                assert (await ask(proxy, "/")).status == 200

    run(test())


def test_the_report_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with shadowed(tmp_path, {"request": {"x-a": "1"}}, {"request": {"x-b": "1"}}) as proxy:
            for _ in range(3):
                await ask(proxy, "/a")
            await told(proxy, 3)

    run(test())
    assert main(["shadow", str(tmp_path / "report.jsonl")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "other, shadow of used: 3 requests differ"
    assert lines[1].startswith("        3  request x-a: 1 / as it was (GET /a, ")
    (tmp_path / "empty").touch()
    assert main(["shadow", str(tmp_path / "empty")]) == 0
    (tmp_path / "bad").write_text("{}\n")
    assert main(["shadow", str(tmp_path / "bad")]) == 1
    assert f"{tmp_path / 'bad'}:1: no line of a report" in capsys.readouterr().err
