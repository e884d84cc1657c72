"""Functions in Python files, loaded by path: two APIs may each have a `middleware.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.config.tyk_values import PythonFunction
from host.external.tyk.files import load_module


def load_function(wanted: PythonFunction) -> Callable[..., Any]:
    """Return the function. Raises ImportError, whatever the file does instead."""
    found = getattr(load_module(wanted.file, is_pinned=wanted.is_pinned), wanted.name, None)
    if not callable(found):
        raise ImportError(f"{wanted.file}: {wanted.name} is no function in it")
    function: Callable[..., Any] = found
    return function
