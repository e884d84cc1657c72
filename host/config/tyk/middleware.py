"""The middleware of an API: as its definition has it, or as its bundles have it.

Bundles are fetched and checked here; several of one API are merged in their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from host.code import CodeError
from host.code.bundle import MANIFEST, verify
from host.code.bundles import Bundle, Bundles
from host.config.document import Document
from host.config.schema.tyk import Tyk
from host.config.schema.tyk_api import ApiDefinition, CustomMiddleware, Hook, Manifest
from host.config.text import read_text
from host.config.tyk.definition import parse_json, read_model
from host.errors import Problem

ENTRIES = ("pre", "post_key_auth", "post", "response", "traffic_logs")


@dataclass(frozen=True, slots=True)
class Entry:
    """A hook, the folder that its path starts from, and where it is written."""

    hook: Hook
    driver: str | None
    folder: Path
    document: Document
    path: tuple[str | int, ...]
    bundle_hash: str = ""


@dataclass(slots=True)
class Middleware:
    """The hooks of an API by where they stand in its chain. Those that are disabled are left out."""

    entries: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in ENTRIES})
    auth_check: Entry | None = None

    def add(self, given: CustomMiddleware, driver: str | None, source: Entry) -> None:
        """Append hooks. `source` names where they are from, and the path that they stand below."""
        driver = given.driver or driver
        for name in (*ENTRIES, "post_auth_check"):
            for index, hook in enumerate(getattr(given, name)):
                if not hook.disabled:
                    kind = "post_key_auth" if name == "post_auth_check" else name
                    self.entries[kind].append(_entry(hook, driver, source, (name, index)))
        hook = given.auth_check
        if (hook.name or hook.path) and not hook.disabled:
            if self.auth_check is not None:
                raise CodeError(
                    f"{source.document.file}: another bundle has an auth_check already", is_final=True
                )
            self.auth_check = _entry(hook, driver, source, ("auth_check",))

    def all(self) -> list[tuple[str, Entry]]:
        """Return all hooks, each with where it stands."""
        found = [(name, entry) for name, entries in self.entries.items() for entry in entries]
        return found if self.auth_check is None else [*found, ("auth_check", self.auth_check)]


def _entry(hook: Hook, driver: str | None, source: Entry, place: tuple[str | int, ...]) -> Entry:
    return Entry(
        hook,
        hook.driver or driver,
        source.folder,
        source.document,
        (*source.path, *place),
        source.bundle_hash,
    )


class BundleReader:
    """Reads bundles as middleware."""

    def __init__(self, settings: Tyk, folder: Path) -> None:
        """`folder`: what paths of the settings start from."""
        self._is_enabled = settings.enable_bundle_downloader
        self._public_key = folder / settings.public_key_path if settings.public_key_path else None
        self._bundles = Bundles(
            folder / settings.middleware_path / "bundles",
            settings.bundle_base_url,
            verify_tls=not settings.bundle_insecure_skip_verify,
            trusts_unpacked=settings.skip_verify_existing_plugin_bundle,
        )

    def read(
        self, api: ApiDefinition, api_id: str, document: Document
    ) -> tuple[Middleware | None, list[Problem]]:
        """Return the middleware of an API's bundles, and what is wrong; None where there is nothing good to use."""
        place = ("custom_middleware_bundle",)
        if not self._is_enabled:
            message = "needs tyk.enable_bundle_downloader: bundles are not fetched"
            return None, [document.problem(place, message)]
        names = [name.strip() for name in api.custom_middleware_bundle.split(",")]
        problems: list[Problem] = []
        made, drivers = Middleware(), set[str | None]()
        for index, name in enumerate(names):
            user = f"{api_id}.{index}"
            try:
                bundle: Bundle | None = self._bundles.get(name, self._check)
                self._bundles.remember(user, name)
            except CodeError as error:
                message = f"bundle {name}: {error}"
                bundle = self._bundles.last_good(user, self._check)
                if bundle is not None:
                    message += f"; the last good one, {bundle.name}, takes its place"
                problems.append(document.problem(place, message))
            if bundle is None:
                return None, problems
            manifest, source = self._manifest(bundle)
            drivers.add(manifest.custom_middleware.driver or manifest.driver)
            try:
                made.add(manifest.custom_middleware, manifest.driver, source)
            except CodeError as error:
                return None, [*problems, document.problem(place, str(error))]
        if len(drivers) > 1:
            message = f"its bundles have several drivers: {', '.join(sorted(map(str, drivers)))}"
            return None, [*problems, document.problem(place, message)]
        return made, problems

    def _check(self, bundle: Bundle) -> None:
        manifest, _ = self._manifest(bundle)
        verify(
            bundle.folder,
            manifest.file_list,
            checksum=manifest.checksum,
            signature=manifest.signature,
            digests=manifest.sha256,
            public_key=self._public_key,
        )
        # What the checksum does not cover nobody has vouched for.
        for name in unlisted_files(manifest, bundle.folder):
            raise CodeError(f"{name} is not in its file_list", is_final=True)

    def _manifest(self, bundle: Bundle) -> tuple[Manifest, Entry]:
        path = bundle.folder / MANIFEST
        text = read_text(path, f"{bundle.name}:{MANIFEST}")
        if isinstance(text, Problem):
            raise CodeError(str(text), is_final=True)
        document = parse_json(text, f"{bundle.name}:{MANIFEST}")
        manifest, problems = read_model(document, Manifest)
        if manifest is None:
            raise CodeError("; ".join(map(str, problems[:5])), is_final=True)
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return manifest, Entry(Hook(), None, bundle.folder, document, ("custom_middleware",), digest)


def unlisted_files(manifest: Manifest, folder: Path | None = None) -> Iterator[str]:
    """Yield the files of hooks that the manifest does not list.

    A Go plugin is listed as `.so` or as the `.wasm` beside it; in `folder` the latter counts wherever it is there.
    """
    files = {str(PurePosixPath(name)) for name in manifest.file_list}
    made = Middleware()
    made.add(manifest.custom_middleware, manifest.driver, _NOWHERE)
    for _, entry in made.all():
        path = entry.hook.path
        module = str(module_of(Path(path))) if path else ""
        if module in files or not path:
            continue
        if path not in files or (folder is not None and (folder / module).exists()):
            yield path


def module_of(path: Path) -> Path:
    """Return the `.wasm` file that stands for a Go plugin: the one beside a `.so`."""
    return path.with_suffix(".wasm") if path.suffix == ".so" else path


_NOWHERE = Entry(Hook(), None, Path(), parse_json("{}", ""), ())


def of_definition(api: ApiDefinition, document: Document, folder: Path) -> Middleware:
    """Return the middleware that a definition has itself."""
    made = Middleware()
    made.add(api.custom_middleware, None, Entry(Hook(), None, folder, document, ("custom_middleware",)))
    return made
