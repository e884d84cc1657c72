"""Which certificate a client gets: by the name that it asks for."""

from __future__ import annotations

from collections.abc import Iterable

from host.tls.contexts import ServerTls


class Certificates:
    """Certificates by name. A `*.example.com` is for names with one label more, as certificates have it."""

    def __init__(self, entries: Iterable[tuple[Iterable[str], ServerTls]] = ()) -> None:
        """`entries`: names with what is presented under them; of one name the first counts."""
        self._by_name: dict[str, ServerTls] = {}
        for names, tls in entries:
            for name in names:
                self._by_name.setdefault(name.lower(), tls)

    def choose(self, server_name: str) -> ServerTls | None:
        """Return what a client gets that asks for this name ("" for none); None: nothing fits."""
        if (found := self._by_name.get(server_name)) is not None:
            return found
        _, _, parent = server_name.partition(".")
        return self._by_name.get(f"*.{parent}") if parent else self._by_name.get("*")
