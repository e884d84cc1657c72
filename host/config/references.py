"""What refers to what in the documents: ids, names of plugins, files.

It looks at plain values, valid or not, so that one bad key in an upstream does not make its id unknown to the routes.
What has the wrong shape is passed over here: `host.config.validate` tells of that.
"""

from __future__ import annotations

import difflib
import importlib.util
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticCustomError

from host.config.apisix_plugins import APISIX_PLUGINS
from host.config.document import Document, escape
from host.config.kong.section import check_section, plugin_names, section_of
from host.config.runner_values import RUNNER_PLUGINS
from host.config.schema.scalars import parse_id
from host.errors import Problem
from host.tls.contexts import TlsError, server_tls

Place = tuple[str | int, ...]

REFERENCES: Final = {
    "upstream_id": "upstreams",
    "service_id": "services",
    "plugin_config_id": "plugin_configs",
}
CODE: Final = ("file", "url", "inline_bytes")
LISTS: Final = ("routes", "upstreams", "services", "plugin_configs", "global_rules", "stream_routes", "ssls")
SOURCES: Final = {
    "routes": ("plugins", "upstream", "upstream_id", "service_id", "plugin_config_id"),
    "stream_routes": ("upstream", "upstream_id"),
}
"""By list: keys of which an entry must have one to be of use."""


def declared_plugins(document: Document) -> Iterator[tuple[str, str, Place]]:
    """Yield the kind (`wasm`, `python`, `kong`, `ext-plugin`), name and place of each plugin that the document
    declares; those of runners are always there."""
    for runner_plugin in RUNNER_PLUGINS:
        yield "ext-plugin", runner_plugin, ("ext-plugin",)
    for kind in ("wasm", "python"):
        for index, entry in _entries(_get(document.root.value, kind), "plugins"):
            if isinstance(name := entry.get("name"), str):
                yield kind, name, (kind, "plugins", index, "name")
    for name in plugin_names(document):
        yield "kong", name, ("kong", "plugins")


def check(gateway: Document, resources: Document) -> Iterator[Problem]:
    """Yield what does not fit together; both documents are one where a single file holds all."""
    kinds: dict[str, str] = {}
    for kind, name, place in declared_plugins(gateway):
        if kinds.get(name) == "ext-plugin":
            message = f"{name!r} is a plugin of ext-plugin's: take another name"
            yield gateway.problem(place, message)
        elif name in kinds:
            elsewhere = f", in {kinds[name]}.plugins" if kinds[name] != kind else ""
            yield gateway.problem(place, f"another plugin is named {escape(name, 60)!r} already{elsewhere}")
        kinds.setdefault(name, kind)
    yield from check_section(gateway)
    yield from _check_workers(gateway)
    yield from _check_code(gateway)
    yield from _check_trusted(gateway)
    yield from _check_environments(gateway)
    yield from _check_stores(gateway)
    yield from _check_services(gateway, kinds)
    yield from _check_ids(resources)
    yield from _check_upstreams(resources)
    yield from _check_uses(gateway, resources, kinds)
    yield from _check_runner_uses(gateway, resources)
    yield from _check_streams(gateway, resources)


def entry_id(entry: dict[str, Any], index: int) -> str | None:
    """Return the id of an entry, APISIX's `arr_1` and so on where it has none, None where it is not valid."""
    value = entry.get("id")
    try:
        return f"arr_{index + 1}" if value is None else parse_id(value)
    except PydanticCustomError:
        return None


def _check_workers(gateway: Document) -> Iterator[Problem]:
    root = gateway.root.value
    if _get(root, "workers") is not None and _get(_get(root, "nginx_config"), "worker_processes") is not None:
        message = "stands beside 'workers': give one of them"
        yield gateway.problem(("nginx_config", "worker_processes"), message)


def _check_stores(gateway: Document) -> Iterator[Problem]:
    """Each vm_id stands once, and Redis is there for those that are kept in it."""
    stores = _get(_get(gateway.root.value, "wasm"), "stores")
    place: Place = ("wasm", "stores")
    seen: set[str] = set()
    for index, entry in _entries(stores, "vm_ids"):
        vm_id = entry.get("vm_id")
        if isinstance(vm_id, str) and vm_id in seen:
            message = f"vm_id {escape(vm_id, 60)!r} stands here already"
            yield gateway.problem((*place, "vm_ids", index, "vm_id"), message)
        elif isinstance(vm_id, str):
            seen.add(vm_id)
        if entry.get("store") == "redis" and _get(stores, "redis") is None:
            message = "needs the server that 'redis' beside 'vm_ids' names"
            yield gateway.problem((*place, "vm_ids", index, "store"), message)
    if _get(stores, "redis") is not None and importlib.util.find_spec("redis") is None:
        yield gateway.problem((*place, "redis"), "needs Redis's client: pip install 'sluiceway[redis]'")


def _check_services(gateway: Document, kinds: dict[str, str]) -> Iterator[Problem]:
    """What runs without traffic is a declared plugin whose VM does not wait for traffic."""
    wasm = _get(gateway.root.value, "wasm")
    isolated = {
        name: entry["isolation"]
        for _, entry in _entries(wasm, "plugins")
        if isinstance(name := entry.get("name"), str) and entry.get("isolation") in ("stream", "filter")
    }
    services = _get(wasm, "services")
    for name in services if isinstance(services, dict) else ():
        place = ("wasm", "services", name)
        if name not in kinds:
            yield gateway.problem(place, _unknown_plugin(name, kinds))
        elif kinds[name] != "wasm":
            yield gateway.problem(place, "is a plugin in Python: services are of wasm.plugins")
        elif name in isolated:
            message = f"has 'isolation: {isolated[name]}': such a plugin has no VM but for a stream"
            yield gateway.problem(place, message)


def _check_environments(gateway: Document) -> Iterator[Problem]:
    """Envoy refuses a variable that is both inherited and set."""
    for index, entry in _entries(_get(gateway.root.value, "wasm"), "plugins"):
        variables = _get(_get(entry, "vm_config"), "environment_variables")
        inherited, values = _get(variables, "host_env_keys"), _get(variables, "key_values")
        for key in values if isinstance(values, dict) and isinstance(inherited, list) else ():
            if key in inherited:
                place = ("wasm", "plugins", index, "vm_config", "environment_variables", "key_values", key)
                yield gateway.problem(place, "stands in 'host_env_keys' too: give it in one of them")


def _check_code(gateway: Document) -> Iterator[Problem]:
    """A plugin's code is in one place; files that are named can be read."""
    folder = Path(gateway.file).parent
    for index, entry in _entries(_get(gateway.root.value, "wasm"), "plugins"):
        place = ("wasm", "plugins", index)
        given = [key for key in CODE if entry.get(key)]
        if not given:
            yield gateway.problem(place, "lacks 'file', 'url' or 'inline_bytes': where its module is")
        for key in given[1:]:
            yield gateway.problem((*place, key), f"stands beside {given[0]!r}: give one of them")
        url = entry.get("url")
        if isinstance(url, str) and url.startswith("http") and not entry.get("sha256"):
            yield gateway.problem((*place, "url"), "needs 'sha256' beside it: that of the module")
        for key in ("file", "image_pull_secret", "trusted_ca"):
            file = entry.get(key)
            if isinstance(file, str) and file and (reason := _unreadable(folder / file)):
                yield gateway.problem((*place, key), f"{escape(str(folder / file), 300)} {reason}")


def _check_trusted(gateway: Document) -> Iterator[Problem]:
    """The files of authorities, where TLS connections would fail one by one."""
    folder, root = Path(gateway.file).parent, gateway.root.value
    everywhere = _get(_get(_get(root, "apisix"), "ssl"), "ssl_trusted_certificate")
    places: list[tuple[Place, Any]] = [
        (("wasm", "plugins", index, "callouts", "trusted_ca"), _get(entry.get("callouts"), "trusted_ca"))
        for index, entry in _entries(_get(root, "wasm"), "plugins")
    ]
    if everywhere != "system":
        places.append((("apisix", "ssl", "ssl_trusted_certificate"), everywhere))
    for place, file in places:
        if isinstance(file, str) and file and (reason := _unreadable(folder / file)):
            yield gateway.problem(place, f"{escape(str(folder / file), 300)} {reason}")


def _unreadable(path: Path) -> str:
    """Return why the file cannot be read, or nothing."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return "is not a regular file"
        with path.open("rb"):
            return ""
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _check_ids(resources: Document) -> Iterator[Problem]:
    ids: dict[str, dict[str, int]] = {}
    root = resources.root.value
    for key in LISTS:
        known = ids.setdefault(key, {})
        for index, entry in _entries(root, key):
            own = entry_id(entry, index)
            if own in known:
                first = f"{key}[{known[own]}]"
                yield resources.problem((key, index, "id"), f"id {own!r} is that of {first} already")
            elif own is not None:
                known[own] = index
    for key in LISTS:
        for index, entry in _entries(root, key):
            for reference, target in REFERENCES.items():
                if (value := entry.get(reference)) is None:
                    continue
                try:
                    wanted = parse_id(value)
                except PydanticCustomError:
                    continue
                if wanted not in ids[target]:
                    near = _nearest(wanted, ids[target])
                    yield resources.problem(
                        (key, index, reference), f"no entry of {target} has id {wanted!r}{near}"
                    )
            sources = SOURCES.get(key, ())
            if sources and all(entry.get(source) is None for source in sources):
                yield resources.problem((key, index), f"leads nowhere: give it one of {', '.join(sources)}")


def _check_upstreams(resources: Document) -> Iterator[Problem]:
    """`pass_host: rewrite` needs the host to write, as APISIX asks for it."""
    for key in ("upstreams", "routes", "services", "stream_routes"):
        for index, entry in _entries(resources.root.value, key):
            place: Place = (key, index) if key == "upstreams" else (key, index, "upstream")
            upstream = entry if key == "upstreams" else entry.get("upstream")
            if _get(upstream, "pass_host") == "rewrite" and _get(upstream, "upstream_host") is None:
                yield resources.problem((*place, "pass_host"), "'rewrite' needs 'upstream_host' beside it")


def _check_streams(gateway: Document, resources: Document) -> Iterator[Problem]:
    """Routes and nodes speak the same protocol, TLS listeners have certificates, and these can be used."""
    streams = {"tcp", "tls"}
    shared = {
        entry_id(entry, index): entry.get("scheme")
        for index, entry in _entries(resources.root.value, "upstreams")
    }
    for key in ("routes", "services"):
        for index, entry in _entries(resources.root.value, key):
            if _get(entry.get("upstream"), "scheme") in streams:
                yield resources.problem(
                    (key, index, "upstream", "scheme"), "is for upstreams of stream_routes"
                )
            elif isinstance(own := entry.get("upstream_id"), str | int) and shared.get(str(own)) in streams:
                yield resources.problem(
                    (key, index, "upstream_id"), "its scheme is for upstreams of stream_routes"
                )
    listeners = _get(_get(_get(gateway.root.value, "apisix"), "stream_proxy"), "tcp")
    for at, listen in enumerate(listeners if isinstance(listeners, list) else ()):
        if _get(listen, "tls") is True and not any(_entries(resources.root.value, "ssls")):
            message = "needs a certificate, and there are no ssls"
            yield gateway.problem(("apisix", "stream_proxy", "tcp", at, "tls"), message)
    for index, entry in _entries(resources.root.value, "ssls"):
        client = _get(entry.get("client"), "ca") or ""
        texts = [str(text) for text in (entry.get("cert"), entry.get("key"), client)]
        if "-----BEGIN " in texts[0] and "-----BEGIN " in texts[1]:
            try:
                server_tls(texts[0], texts[1], client_ca=texts[2])
            except TlsError as error:
                yield resources.problem(("ssls", index), str(error))


def _check_uses(gateway: Document, resources: Document, kinds: dict[str, str]) -> Iterator[Problem]:
    has_kong = bool(section_of(gateway))
    for key in LISTS:
        for index, entry in _entries(resources.root.value, key):
            uses = entry.get("plugins")
            for name, use in uses.items() if isinstance(uses, dict) else ():
                place = (key, index, "plugins", name)
                if name not in kinds:
                    yield resources.problem(place, _unknown_plugin(name, kinds, has_kong=has_kong))
                elif isinstance(use, dict) and "config" in use and (reason := _misplaced(kinds[name], use)):
                    yield resources.problem((*place, "config"), reason)
                elif (
                    kinds[name] == "wasm"
                    and isinstance(use, dict)
                    and "conf" not in use
                    and not _disabled(use)
                ):
                    yield resources.problem(place, "lacks 'conf'")
                yield from _check_shadow(resources, kinds, (*place, "_meta", "shadow"), use)


def _check_shadow(resources: Document, kinds: dict[str, str], place: Place, use: Any) -> Iterator[Problem]:
    """A shadow is a declared plugin, and stands where exchanges of HTTP are."""
    shadow = _get(_get(use, "_meta"), "shadow")
    name = _get(shadow, "plugin")
    if not isinstance(name, str):
        return
    if place[0] == "stream_routes":
        yield resources.problem(place, "is for routes of HTTP")
    elif name not in kinds:
        yield resources.problem((*place, "plugin"), _unknown_plugin(name, kinds))
    elif kinds[name] not in ("wasm", "python"):
        yield resources.problem((*place, "plugin"), "is no plugin of wasm.plugins or python.plugins")
    elif kinds[name] == "wasm" and "conf" not in shadow:
        yield resources.problem(place, "lacks 'conf'")


def _check_runner_uses(gateway: Document, resources: Document) -> Iterator[Problem]:
    """Who asks a runner has one, and asks it about requests."""
    section = _get(gateway.root.value, "ext-plugin")
    runners = _get(section, "runners")
    for key in LISTS:
        for index, entry in _entries(resources.root.value, key):
            uses = entry.get("plugins")
            for name, use in uses.items() if isinstance(uses, dict) else ():
                if name not in RUNNER_PLUGINS or not isinstance(use, dict) or _disabled(use):
                    continue
                place: Place = (key, index, "plugins", name)
                if key == "stream_routes":
                    yield resources.problem(place, "is about requests of HTTP: there are none here")
                    continue
                wanted = _get(use, "runner")
                runner = section if wanted is None else _get(runners, str(wanted))
                if wanted is not None and runner is None:
                    near = _nearest(str(wanted), runners if isinstance(runners, dict) else {})
                    message = f"no runner of this name is declared under ext-plugin.runners{near}"
                    yield resources.problem((*place, "runner"), message)
                elif not _get(runner, "cmd") and not _get(runner, "path_for_test"):
                    where = "ext-plugin" if wanted is None else f"ext-plugin.runners.{wanted}"
                    yield resources.problem(place, f"needs a runner: {where}.cmd or {where}.path_for_test")


def _unknown_plugin(name: str, kinds: dict[str, str], *, has_kong: bool = False) -> str:
    if name in APISIX_PLUGINS:
        return f"known to APISIX, not served by Sluiceway: plugin {name}"
    declared = sorted(own for own, kind in kinds.items() if kind != "ext-plugin")
    near = _nearest(name, kinds) or f"; declared: {', '.join(map(repr, declared[:10])) or 'none'}"
    places = "wasm.plugins or python.plugins" + (" or kong.plugins" if has_kong else "")
    return f"no plugin of this name is declared under {places}{near}"


def _misplaced(kind: str, use: dict[str, Any]) -> str:
    """Why `config`, which is Kong's name of `conf`, does not belong into the use."""
    if kind != "kong":
        return f"is for plugins of Kong's plugin servers; this is one of {kind}.plugins: use 'conf'"
    return "stands beside 'conf': give one of them" if "conf" in use else ""


def _disabled(use: dict[str, Any]) -> bool:
    return use.get("disable") is True or _get(use.get("_meta"), "disable") is True


def _nearest(name: str, names: dict[str, Any]) -> str:
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _entries(value: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the mappings of the list under the key, with their indexes."""
    entries = _get(value, key)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
