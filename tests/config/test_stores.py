"""wasm.stores: where shared data and queues are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.config import loads
from host.config.stores import Redis, SharedLimits, Stores, VmIdStore
from host.errors import ConfigError


def stores(text: str) -> Stores:
    """What a configuration with this under wasm.stores says."""
    return loads(f"wasm: {{stores: {{{text}}}}}\nroutes: []\n", "/srv/gateway.yaml").stores


def problems(text: str) -> list[str]:
    """What is wrong with it, without file and line."""
    with pytest.raises(ConfigError) as raised:
        stores(text)
    return [f"{problem.path}: {problem.message}" for problem in raised.value.problems]


def test_without_a_word_workers_share_them() -> None:
    """And the limits are those of the documentation."""
    assert stores("") == Stores() == loads("routes: []\n").stores
    assert SharedLimits() == SharedLimits(16 << 20, 0, 64, 4 << 20)


def test_a_vm_id_has_what_it_does_not_say_from_above() -> None:
    """Limits are those of all vm_ids where it has none."""
    found = stores("max_size: 1m, ttl: 1h, vm_ids: [{vm_id: a, ttl: 0, max_queues: 3}, {vm_id: ''}]")
    assert found.limits == SharedLimits(1 << 20, 3600)
    assert found.vm_ids == (
        VmIdStore("a", "local", SharedLimits(1 << 20, 0, 3)),
        VmIdStore("", "local", found.limits),
    )


def test_redis_is_named_and_used_by_vm_id() -> None:
    """Its password is shown nowhere."""
    found = stores("redis: {host: cache, password: secret, timeout: 2ms}, vm_ids: [{vm_id: a, store: redis}]")
    assert found.redis == Redis(host="cache", password="secret", timeout=0.002)
    assert found.vm_ids[0].store == "redis"
    assert "secret" not in repr(found)


def test_the_database_lies_beside_the_file() -> None:
    """As all paths do."""
    found = stores("lmdb: {path: state, map_size: 8m}")
    assert found.path is not None
    assert found.path.name == "state"
    assert found.map_size == 8 << 20
    assert isinstance(found.path, Path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("local: redis", "wasm.stores.local: "),
        ("max_size: 0", "wasm.stores.max_size: expected a size over 0"),
        ("ttl: soon", "wasm.stores.ttl: expected a duration"),
        ("max_queues: -1", "wasm.stores.max_queues: "),
        ("lmdb: {map_size: many}", "wasm.stores.lmdb.map_size: expected a size"),
        ("redis: {timeout: 5}", "wasm.stores.redis.timeout: expected a duration with its unit"),
        ("redis: {port: 0}", "wasm.stores.redis.port: "),
        ("redis: {hostname: a}", "wasm.stores.redis.hostname: unknown key"),
        ("vm_ids: [{store: local}]", "wasm.stores.vm_ids[0]: lacks 'vm_id'"),
        ("vm_ids: [{vm_id: a, store: redis}]", "wasm.stores.vm_ids[0].store: needs the server that 'redis'"),
        ("vm_ids: [{vm_id: a}, {vm_id: a}]", "wasm.stores.vm_ids[1].vm_id: vm_id 'a' stands here already"),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str) -> None:
    """By its path, with what is expected."""
    (told,) = problems(text)
    assert told.startswith(problem)


def test_the_example_of_the_page_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/shared-state.md."""
    (tmp_path / "limit.wasm").touch()
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs/shared-state.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    found = loads(example).stores
    assert found.vm_ids == (VmIdStore("limits", "redis", SharedLimits(4 << 20, 3600)),)
