"""Routing: from a request's host, method and path to the rule that serves it, at a cost that the number of
rules hardly moves.

The order is that of APISIX's `radixtree_uri`: an exact URI before a prefix, a longer prefix before a shorter
one, and among the rules of one URI the higher priority, then the more exact host, then the rule declared
first. A rule whose host or method does not fit is passed over, and the next shorter prefix is tried. All of
this is settled when the router is built; a request costs one dictionary look-up for the exact URIs and one
bisection for the prefixes.

It must not know what a rule leads to: the payload is the caller's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

T = TypeVar("T")

MAX_HOST_LENGTH: Final = 255
"""Bytes of the longest name that the DNS can hold (RFC 1035 section 2.3.4); a longer one is not looked up."""

PERCENT: Final = ord("%")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One route as the router sees it.

    `uris`: paths; one that ends in `*` matches by prefix (`/api/*`, `/api*`, `*`).
    `hosts`: names without a port, or `*.example.com` for every name below that domain; empty means any host.
    `methods`: case-sensitive (RFC 9110 section 9.1); empty means any method.
    """

    payload: T
    uris: Sequence[str]
    hosts: Sequence[str] = ()
    methods: Sequence[str] = ()
    priority: int = 0


class Router(Generic[T]):
    """An immutable index of rules. Raises ValueError for a URI or host pattern it cannot serve."""

    __slots__ = ("_exact", "_parents", "_prefix_buckets", "_prefixes")

    def __init__(self, rules: Iterable[Rule[T]]) -> None:
        exact: dict[bytes, _Bucket[T]] = {}
        prefixes: dict[bytes, _Bucket[T]] = {}
        for rule in sorted(rules, key=lambda rule: -rule.priority):  # stable: declaration settles the rest
            for uri in rule.uris:
                path, is_prefix = parse_uri_pattern(uri)
                (prefixes if is_prefix else exact).setdefault(path, _Bucket()).add(rule)
        self._exact = exact
        self._prefixes = sorted(prefixes)
        self._prefix_buckets = [prefixes[prefix] for prefix in self._prefixes]
        self._parents = _parents(self._prefixes)

    def match(self, host: bytes, method: bytes, path: bytes) -> T | None:
        """Return the payload of the best rule, or None.

        `host`: the request's authority, with or without port, in any case. `path`: the target's path as
        received, without its query. It is compared as nginx compares `$uri`: percent-decoded, with dot
        segments and repeated slashes removed, so that no spelling of a path walks around the rule that guards
        it. A path that has no such form (a bad escape, NUL, more `..` than segments) matches no rule.
        """
        # An exact URI is in normal form itself: a path that equals one needs no normalising.
        bucket = self._exact.get(path)
        # (`PERCENT in path` is a memchr; `b"%" in path` costs ten times that, an exception inside.)
        if bucket is None and (PERCENT in path or path.find(b"/.") >= 0 or path.find(b"//") >= 0):
            normalized = normalize_path(path)
            if normalized is None:
                return None
            path = normalized
            bucket = self._exact.get(path)
        if bucket is not None:
            found = bucket.catch_all or bucket.find(host, method)
            if found is not None:
                return found[1]
        # The longest prefix of the path is the greatest one not above the path in byte order, or an ancestor
        # of it.
        prefixes = self._prefixes
        index = bisect_right(prefixes, path) - 1
        while index >= 0:
            if path.startswith(prefixes[index]):
                bucket = self._prefix_buckets[index]
                found = bucket.catch_all or bucket.find(host, method)
                if found is not None:
                    return found[1]
            index = self._parents[index]
        return None


class _Methods(Generic[T]):
    """The rules of one URI and one host pattern, by method: pairs of negated priority and payload."""

    __slots__ = ("any", "by_method")

    def __init__(self) -> None:
        self.any: tuple[int, T] | None = None
        self.by_method: dict[bytes, tuple[int, T]] = {}

    def add(self, rule: Rule[T]) -> None:
        """Take in a rule. Rules come best first: the first of a kind stays, none below `any` is reached."""
        if self.any is not None:
            return
        entry = (-rule.priority, rule.payload)
        if not rule.methods:
            self.any = entry
        for method in rule.methods:
            self.by_method.setdefault(method.encode(), entry)


class _Bucket(Generic[T]):
    """The rules of one URI. `catch_all` is set when one rule, for any host and method, is all there is."""

    __slots__ = ("catch_all", "hostless", "hosts", "wildcards")

    def __init__(self) -> None:
        self.catch_all: tuple[int, T] | None = None
        self.hosts: dict[bytes, _Methods[T]] = {}
        self.wildcards: dict[bytes, _Methods[T]] = {}
        self.hostless: _Methods[T] = _Methods()

    def add(self, rule: Rule[T]) -> None:
        """Take in a rule under each of its hosts; rules come best first."""
        for host in rule.hosts:
            name, is_wildcard = parse_host_pattern(host)
            (self.wildcards if is_wildcard else self.hosts).setdefault(name, _Methods()).add(rule)
        if not rule.hosts:
            self.hostless.add(rule)
        has_choice = self.hosts or self.wildcards or self.hostless.by_method
        self.catch_all = None if has_choice else self.hostless.any

    def find(self, host: bytes, method: bytes) -> tuple[int, T] | None:
        """Return the best entry; among equal priorities that of the most exact host."""
        hostless = self.hostless
        best = hostless.by_method.get(method, hostless.any)
        if not self.hosts and not self.wildcards:
            return best
        exact = self.hosts.get(host)
        if exact is None:
            host = normalize_host(host)
            exact = self.hosts.get(host)
        # From the least exact to the most: a later candidate takes the place of an equal one.
        if self.wildcards and len(host) <= MAX_HOST_LENGTH:
            dot = host.rfind(b".")
            while dot > 0:
                wildcard = self.wildcards.get(host[dot:])
                if wildcard is not None:
                    best = _better(best, wildcard.by_method.get(method, wildcard.any))
                dot = host.rfind(b".", 0, dot)
        if exact is not None:
            best = _better(best, exact.by_method.get(method, exact.any))
        return best


def _better(best: tuple[int, T] | None, candidate: tuple[int, T] | None) -> tuple[int, T] | None:
    if best is None or (candidate is not None and candidate[0] <= best[0]):
        return candidate
    return best


def _parents(prefixes: list[bytes]) -> list[int]:
    """For each of the sorted prefixes, the index of the longest other one that begins it, or -1."""
    parents: list[int] = []
    open_prefixes: list[int] = []
    for index, prefix in enumerate(prefixes):
        while open_prefixes and not prefix.startswith(prefixes[open_prefixes[-1]]):
            open_prefixes.pop()
        parents.append(open_prefixes[-1] if open_prefixes else -1)
        open_prefixes.append(index)
    return parents


def parse_uri_pattern(uri: str) -> tuple[bytes, bool]:
    """Return the path to compare with and whether it is a prefix. Raises ValueError for other patterns."""
    is_prefix = uri.endswith("*")
    path = uri[:-1] if is_prefix else uri
    if "*" in path:
        raise ValueError(f"{uri!r}: '*' is understood at the end only")
    if not path.startswith("/") and not (is_prefix and not path):
        raise ValueError(f"{uri!r}: a URI begins with '/'")
    if path and normalize_path(path.encode()) != path.encode():
        raise ValueError(
            f"{uri!r}: a URI is compared percent-decoded and without '.', '..' and empty segments"
        )
    return path.encode(), is_prefix


def parse_host_pattern(host: str) -> tuple[bytes, bool]:
    """Return the name in lower case (`.example.com` for `*.example.com`) and whether it is a wildcard.

    Raises ValueError for a wildcard anywhere but in place of the first label, and for a name that has a port.
    """
    name = host.lower().removesuffix(".")
    is_wildcard = name.startswith("*.")
    if is_wildcard:
        name = name[1:]
    if "*" in name:
        raise ValueError(f"{host!r}: '*' is understood as the whole first label only, as in *.example.com")
    if not name.isascii() or not name.strip("."):
        raise ValueError(f"{host!r}: not a host name (write international names in their xn-- form)")
    if normalize_host(name.encode()) != name.encode():
        raise ValueError(f"{host!r}: a host is matched without its port")
    return name.encode(), is_wildcard


def normalize_host(authority: bytes) -> bytes:
    """Return the host of an authority (RFC 3986 section 3.2) in lower case, without port and closing dot."""
    host = authority
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1].lower()
    colon = host.find(b":")
    if colon >= 0:
        host = host[:colon]
    if host.endswith(b"."):
        host = host[:-1]
    return host.lower()


def normalize_path(path: bytes) -> bytes | None:
    """Return the path percent-decoded, without dot segments (RFC 3986 section 5.2.4) and repeated slashes.

    One level of escapes is decoded, before the segments are told apart, as nginx does. Returns None where
    nginx answers 400: an escape that is none, NUL, `..` above the root.
    """
    if b"%" in path:
        # unquote_to_bytes leaves bad escapes as they are: each '%' that is one must have gone.
        decoded = unquote_to_bytes(path)
        if len(path) - len(decoded) != 2 * path.count(b"%"):
            return None
        path = decoded
    if b"\0" in path or not path.startswith(b"/"):
        return None
    if b"/." not in path and b"//" not in path:
        return path
    segments: list[bytes] = []
    parts = path.split(b"/")
    for part in parts[1:]:
        if part == b"..":
            if not segments:
                return None
            segments.pop()
        elif part and part != b".":
            segments.append(part)
    is_directory = parts[-1] in (b"", b".", b"..")
    return b"/" + b"/".join(segments) + (b"/" if is_directory and segments else b"")
