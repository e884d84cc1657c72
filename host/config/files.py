"""Finding and reading the files: one that holds all, or `config.yaml` with `apisix.yaml` beside it.

All that is wrong is gathered before anything is raised. Importing this module costs pydantic and PyYAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from host.config.document import Document, Node
from host.config.kong.declarative import DeclarativeFile, declarative_document
from host.config.kong.section import section_of, with_environment
from host.config.model import Admin, Config, Place
from host.config.parse import parse
from host.config.references import check, declared_plugins
from host.config.resolve import resolve, trusted_of
from host.config.resolve_admin import admin, check_admin
from host.config.resolve_plugins import PlaceOf
from host.config.schema import Gateway, Resources, Whole
from host.config.sources import source_of
from host.config.text import read_text
from host.config.tyk.apis import TykApis
from host.config.validate import Validated, validate
from host.errors import ConfigError, Problem

FOREIGN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kong": "is a declarative file of Kong: name it under kong.declarative_config in a config.yaml",
        "tyk": "is an API definition of Tyk: name it under tyk.apis in a config.yaml",
    }
)
"""What is said of a file that is served, but not by itself, by whose it is."""

END_MARK: Final = "#END"


@dataclass(frozen=True, slots=True)
class Documents:
    """What was read: `resources` is `gateway` itself where one file holds all.

    `missing`: what to say where there is no file with resources; nothing where there is one.
    """

    gateway: Document
    resources: Document
    missing: str = ""


def load(path: Path) -> Config:
    """Return the configuration of the file, and of the `apisix.yaml` that belongs to it where it holds no resources.

    Raises ConfigError with every problem of both files.
    """
    return make(read(path))


def read(path: Path) -> Documents:
    """Return what `load` reads, not validated. Raises ConfigError for a file that cannot be read."""
    text = read_text(path, str(path))
    if isinstance(text, Problem):
        raise ConfigError([text])
    gateway = parse(text, str(path))
    if (foreign := FOREIGN.get(source_of(gateway.root.value))) is not None:
        raise ConfigError([Problem(str(path), None, "", foreign)])
    with_environment(gateway)
    companion = _companion(path)
    own = _resource_key(gateway)
    if own is not None:
        if path.name == "config.yaml" and companion is not None:
            message = f"stands here while {companion} is there to hold it: keep one of them"
            gateway.problems.append(gateway.problem((own,), message))
        return Documents(gateway, gateway)
    if companion is None and _has_others(gateway):
        return Documents(gateway, gateway)
    if companion is None:
        places = " or ".join(str(place) for place in companion_places(path))
        missing = (
            f"holds no routes, and there is no {places} to hold them, nor deployment.admin to add them by"
        )
        return Documents(gateway, Document(str(path), Node({}, 1), []), missing)
    text = read_text(companion, str(companion))
    if isinstance(text, Problem):
        raise ConfigError([*gateway.problems, text])
    return Documents(gateway, parse_resources(text, str(companion)))


def parse_resources(text: str, file: str) -> Document:
    """Return the document of an `apisix.yaml`, with a problem where it lacks its closing `#END`.

    APISIX asks for that line so that a file which is still being written is not loaded.
    """
    document = parse(text, file)
    lines = text.rstrip().splitlines()
    if not lines or lines[-1].strip() != END_MARK:
        message = f"lacks its last line, {END_MARK}: a file without it may be half-written and is not loaded"
        document.problems.append(Problem(file, len(lines) or 1, "", message))
    return document


def load_text(text: str, file: str = "<text>") -> Config:
    """Return the configuration of a text that holds all; `file` names it and gives the folder of relative paths.

    Raises ConfigError.
    """
    document = parse(text, file)
    return make(Documents(document, document))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a file that holds all."""
    schema = Whole.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Sluiceway configuration",
    }


def _resource_key(document: Document) -> str | None:
    """Return a key that belongs to resources, which tells a file that holds all from a `config.yaml`."""
    root = document.root.value
    return next((key for key in root if key in Resources.by_key()), None) if isinstance(root, dict) else None


def _has_others(document: Document) -> bool:
    """Whether Tyk's API definitions or a file of Kong's bring routes, so that none need be written here."""
    tyk = document.root.value.get("tyk") if isinstance(document.root.value, dict) else None
    return (isinstance(tyk, dict) and bool(tyk.get("apis"))) or "declarative_config" in section_of(document)


def companion_places(path: Path) -> list[Path]:
    """`apisix.yaml` in the same folder, or in `conf` below it as an APISIX installation has it."""
    return [path.parent / "apisix.yaml", path.parent / "conf" / "apisix.yaml"]


def _companion(path: Path) -> Path | None:
    return next((place for place in companion_places(path) if place != path and place.exists()), None)


def admin_of(documents: Documents) -> Admin | None:
    """Return what the documents say of the Admin API, whatever else may be wrong with them."""
    gateway = documents.gateway
    settings = Gateway.model_construct(**_values(validate(gateway, Gateway, ()), Gateway))
    return admin(settings.apisix, settings.deployment, Path(gateway.file).absolute().parent)


def make(documents: Documents) -> Config:
    """Return the configuration of what was read. Raises ConfigError with every problem."""
    examined = _Examined(documents)
    if examined.problems:
        raise ConfigError(examined.problems)
    return examined.config()


def find_problems(documents: Documents) -> list[Problem]:
    """Return all for which `make` would refuse the documents."""
    return _Examined(documents).problems


class _Examined:
    """Documents that were held against the schema, and their parts against one another."""

    def __init__(self, documents: Documents) -> None:
        gateway, resources = self._gateway, self._resources = documents.gateway, documents.resources
        with_environment(gateway)
        declared = {name for _, name, _ in declared_plugins(gateway)}
        if gateway is resources:
            parts = [validate(gateway, Whole, declared)]
        else:
            elsewhere = dict.fromkeys(Gateway.by_key(), gateway.file)
            parts = [
                validate(gateway, Gateway, declared),
                validate(resources, Resources, declared, elsewhere),
            ]
        problems = [problem for part in parts for problem in part.problems]
        problems.extend(check(gateway, resources))
        self._entries = parts[-1]
        settings = self._settings = Gateway.model_construct(**_values(parts[0], Gateway))
        self._folder = Path(gateway.file).absolute().parent
        self._apis = TykApis(settings.tyk, self._folder, gateway) if settings.tyk.apis else None
        if self._apis is not None:
            problems.extend(self._apis.problems)
        declarative = settings.kong.declarative_config
        self._kong: DeclarativeFile | None = None
        if declarative is not None:
            document = declarative_document(declarative, self._folder, gateway)
            self._kong = DeclarativeFile(document, declared)
            problems.extend(self._kong.problems)
        served = admin(settings.apisix, settings.deployment, self._folder)
        if served is not None:
            problems.extend(check_admin(gateway, resources, settings.apisix, served))
        elif documents.missing:
            problems.append(Problem(gateway.file, None, "", documents.missing))
        self.problems = list(dict.fromkeys(problems))

    def config(self) -> Config:
        """Return what the documents say; for those without problems."""
        config = resolve(
            self._settings,
            Resources.model_construct(**_values(self._entries, Resources)),
            self._folder,
            _place_of(self._gateway),
            _place_of(self._resources),
        )
        if self._kong is not None:
            config = self._kong.added_to(config, trusted_of(self._settings.apisix.ssl, self._folder))
        return config if self._apis is None else self._apis.added_to(config, self._settings.apisix)


def _place_of(document: Document) -> PlaceOf:
    def place_of(path: tuple[str | int, ...]) -> Place:
        found = document.problem(path, "")
        return Place(found.file, found.line, found.path)

    return place_of


def _values(validated: Validated, schema: type[Gateway] | type[Resources]) -> dict[str, Any]:
    """Return the valid values that belong to the schema."""
    values = {
        **validated.values,
        **{key: [e.model for e in entries] for key, entries in validated.entries.items()},
    }
    return {key: value for key, value in values.items() if key in schema.by_key()}
