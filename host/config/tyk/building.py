"""Making a bundle: a manifest completed with checksum and signature, zipped with the files that it lists."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from host.code import CodeError
from host.code.bundle import content, pack, sign
from host.config.document import Document
from host.config.schema.tyk_api import Manifest
from host.config.text import read_text
from host.config.tyk.definition import parse_json, read_model
from host.config.tyk.middleware import unlisted_files
from host.errors import ConfigError, Problem


def build_bundle(path: Path, private_key: Path | None) -> bytes:
    """Return the zip file of a manifest. Its files lie in its folder; without a key it is not signed.

    Raises ConfigError for a manifest that makes no bundle: without hooks or driver, or with a file that is missing.
    """
    text = read_text(path, str(path))
    if isinstance(text, Problem):
        raise ConfigError([text])
    document = parse_json(text, str(path))
    manifest, problems = read_model(document, Manifest)
    if manifest is None:
        raise ConfigError(problems)
    problems += _missing(manifest, document)
    if problems:
        raise ConfigError(problems)
    try:
        data = content(path.parent, manifest.file_list)
        values = json.loads(text)
        values["checksum"] = hashlib.md5(data, usedforsecurity=False).hexdigest()
        values["sha256"] = {
            name: hashlib.sha256(content(path.parent, [name])).hexdigest() for name in manifest.file_list
        }
        values["signature"] = sign(data, private_key) if private_key is not None else ""
        return pack(path.parent, manifest.file_list, json.dumps(values, indent=2) + "\n")
    except CodeError as error:
        raise ConfigError([Problem(str(path), None, "", str(error))]) from error


def _missing(manifest: Manifest, document: Document) -> list[Problem]:
    given = manifest.custom_middleware
    lists = (
        given.pre,
        given.post_key_auth,
        given.post_auth_check,
        given.post,
        given.response,
        given.traffic_logs,
    )
    hooks = [hook for each in lists for hook in each] + ([given.auth_check] if given.auth_check.name else [])
    found = []
    if not hooks:
        found.append(document.problem(("custom_middleware",), "has no hook"))
    elif not manifest.driver and not given.driver and not all(hook.driver for hook in hooks):
        found.append(document.problem(("custom_middleware", "driver"), "lacks 'driver'"))
    for index, name in enumerate(manifest.file_list):
        if not (document_folder := Path(document.file).parent / name).is_file():
            found.append(document.problem(("file_list", index), f"{document_folder}: no such file"))
    found += [
        document.problem(("file_list",), f"lacks {name!r}, which a hook is in")
        for name in unlisted_files(manifest)
    ]
    return found
