"""Which rule serves a request: the order of APISIX's radixtree_uri, and the forms of host and path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.router import Router, Rule, normalize_path

GET = b"GET"


def rule(
    name: str, *uris: str, hosts: tuple[str, ...] = (), methods: tuple[str, ...] = (), priority: int = 0
) -> Rule[str]:
    return Rule(name, uris, hosts, methods, priority)


URI_RULES = [
    rule("root", "/*"),
    rule("exact", "/foo"),
    rule("slash", "/foo/*"),
    rule("bare", "/foo*"),
    rule("deep", "/foo/bar/baz/*"),
    rule("two", "/one", "/two/*"),
    rule("case", "/Case"),
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", "root"),
        (b"/foo", "exact"),
        (b"/foo/", "slash"),
        (b"/foo/x", "slash"),
        (b"/foobar", "bare"),
        (b"/fo", "root"),
        (b"/foo/bar/baz/", "deep"),
        (b"/foo/bar/baz", "slash"),
        (b"/foo/bar/zzz", "slash"),
        (b"/one", "two"),
        (b"/one/", "root"),
        (b"/two/3", "two"),
        (b"/Case", "case"),
        (b"/case", "root"),
        (b"/\xff\xfe", "root"),
        (b"*", None),
        (b"", None),
    ],
)
def test_exact_uri_wins_over_longest_prefix_over_shorter(path: bytes, expected: str | None) -> None:
    """radixtree_uri looks at full matches first, then walks prefixes from the longest."""
    assert Router(URI_RULES).match(b"any", GET, path) == expected


def test_declaration_order_does_not_change_which_uri_wins() -> None:
    """Only priority and declaration within one URI may matter, never the order of different URIs."""
    backwards = Router(URI_RULES[::-1])
    for path in (b"/", b"/foo", b"/foo/x", b"/foobar", b"/foo/bar/baz/1"):
        assert backwards.match(b"", GET, path) == Router(URI_RULES).match(b"", GET, path)


def test_a_lone_star_is_the_empty_prefix() -> None:
    """`uri: "*"` is a prefix of every path, of the asterisk-form too (RFC 9112 section 3.2.4)."""
    router = Router([rule("all", "*")])
    assert router.match(b"", b"OPTIONS", b"*") == "all"
    assert router.match(b"", GET, b"/x") == "all"


def test_higher_priority_wins_within_one_uri() -> None:
    """APISIX: the larger number first; the first declared among equals."""
    router = Router([rule("low", "/a"), rule("high", "/a", priority=9), rule("also high", "/a", priority=9)])
    assert router.match(b"", GET, b"/a") == "high"


def test_priority_does_not_lift_a_shorter_prefix() -> None:
    """Priority is compared among rules of the same URI only."""
    router = Router([rule("short", "/*", priority=100), rule("long", "/a/*", priority=-5)])
    assert router.match(b"", GET, b"/a/b") == "long"


METHOD_RULES = [
    rule("post", "/a", methods=("POST",)),
    rule("read", "/a", methods=("GET", "HEAD")),
    rule("fallback", "/*"),
]


@pytest.mark.parametrize(
    ("method", "expected"),
    [(b"POST", "post"), (b"GET", "read"), (b"HEAD", "read"), (b"DELETE", "fallback"), (b"get", "fallback")],
)
def test_a_rule_of_another_method_is_passed_over(method: bytes, expected: str) -> None:
    """A rule that does not fit leaves the request to the next shorter prefix; methods are case-sensitive."""
    assert Router(METHOD_RULES).match(b"", method, b"/a") == expected


def test_no_rule_for_the_method_is_no_match() -> None:
    """The gateway answers 404, as APISIX does."""
    assert Router([rule("post", "/a", methods=("POST",))]).match(b"", GET, b"/a") is None


@pytest.mark.parametrize(
    ("order", "expected"),
    [(("any", "get"), "any"), (("get", "any"), "get")],
)
def test_methods_do_not_make_a_rule_more_exact(order: tuple[str, str], expected: str) -> None:
    """Among equal priorities the first declared wins, whether it has a method list or not."""
    rules = {"any": rule("any", "/a"), "get": rule("get", "/a", methods=("GET",))}
    assert Router([rules[name] for name in order]).match(b"", GET, b"/a") == expected


HOST_RULES = [
    rule("any", "/*"),
    rule("wild", "/*", hosts=("*.example.com",)),
    rule("wilder", "/*", hosts=("*.b.example.com",)),
    rule("exact", "/*", hosts=("a.example.com", "EXAMPLE.com")),
    rule("v6", "/*", hosts=("[::1]",)),
]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"a.example.com", "exact"),
        (b"A.Example.COM", "exact"),
        (b"a.example.com:9080", "exact"),
        (b"a.example.com.", "exact"),
        (b"a.example.com.:9080", "exact"),
        (b"example.com", "exact"),
        (b"x.example.com", "wild"),
        (b"x.y.example.com:80", "wild"),
        (b"x.b.example.com", "wilder"),
        (b"b.example.com", "wild"),
        (b".example.com", "any"),
        (b"xexample.com", "any"),
        (b"example.com.evil.org", "any"),
        (b"[::1]:9080", "v6"),
        (b"[::1]", "v6"),
        (b"[::2]:9080", "any"),
        (b"[", "any"),
        (b"", "any"),
        (b"." * 70_000, "any"),
        (b"a." * 30_000 + b"example.com", "any"),
    ],
)
def test_the_most_exact_host_wins_among_equal_priorities(host: bytes, expected: str) -> None:
    """Exact name, longest wildcard, rules without host; port, case and the closing dot do not count."""
    assert Router(HOST_RULES).match(host, GET, b"/x") == expected


def test_priority_is_compared_before_the_host() -> None:
    """A hostless rule of higher priority wins over a hosted one of the same URI."""
    router = Router([rule("hosted", "/a", hosts=("h",)), rule("any", "/a", priority=1)])
    assert router.match(b"h", GET, b"/a") == "any"


def test_a_hosted_rule_of_another_method_leaves_the_request_to_the_hostless_rule() -> None:
    """Host and method are both conditions: only a rule that fits both counts."""
    router = Router([rule("hosted", "/a", hosts=("h",), methods=("POST",)), rule("any", "/a")])
    assert router.match(b"h", GET, b"/a") == "any"
    assert router.match(b"h", b"POST", b"/a") == "hosted"


def test_uri_is_compared_before_the_host() -> None:
    """radixtree_uri: an exact URI without host wins over a prefix with one."""
    router = Router([rule("hosted", "/*", hosts=("h",)), rule("exact", "/a")])
    assert router.match(b"h", GET, b"/a") == "exact"
    assert router.match(b"h", GET, b"/b") == "hosted"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/%61dmin/x", "admin"),
        (b"/admin%2fx", "admin"),
        (b"/x/../admin/y", "admin"),
        (b"/x/%2e%2e/admin/y", "admin"),
        (b"//admin//y", "admin"),
        (b"/./admin/y", "admin"),
        (b"/admin/..", "root"),
        (b"/%2561dmin/x", "root"),
        (b"/..", None),
        (b"/%zz", None),
        (b"/%", None),
        (b"/a%00", None),
        (b"/admin/%", None),
    ],
)
def test_no_spelling_of_a_path_walks_around_its_rule(path: bytes, expected: str | None) -> None:
    """APISIX matches nginx's normalised $uri; raw bytes would let /%61dmin pass a guard on /admin."""
    assert Router([rule("root", "/*"), rule("admin", "/admin/*")]).match(b"", GET, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/b", b"/a/b"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/b/..", b"/a/"),
        (b"/a/.", b"/a/"),
        (b"/a//b//", b"/a/b/"),
        (b"/.", b"/"),
        (b"/a/..", b"/"),
        (b"/.hidden", b"/.hidden"),
        (b"/a/...", b"/a/..."),
        (b"/a%2Fb", b"/a/b"),
        (b"/%25", b"/%"),
        (b"/a/../..", None),
    ],
)
def test_normalize_path(path: bytes, expected: bytes | None) -> None:
    """RFC 3986 section 5.2.4 and nginx's merge_slashes, after one level of decoding."""
    assert normalize_path(path) == expected


@pytest.mark.parametrize("uri", ["/a/*/b", "/**", "a", "", "a*", "/a/../b", "//a/*", "/a%20b", "/%"])
def test_other_uri_patterns_are_refused(uri: str) -> None:
    """Exact URIs and a closing `*`, in the form that paths are compared in: any other could never match."""
    with pytest.raises(ValueError, match=r"^"):
        Router([rule("x", uri)])


@pytest.mark.parametrize("host", ["*", "*example.com", "a.*.com", "", ".", "h:80", "münchen.de"])
def test_other_host_patterns_are_refused(host: str) -> None:
    """A name or `*.` and a name, without port; international names in their ASCII form."""
    with pytest.raises(ValueError, match=r"^"):
        Router([rule("x", "/", hosts=(host,))])


def test_an_empty_router_matches_nothing() -> None:
    """A gateway may start before its first route comes."""
    assert Router([]).match(b"h", GET, b"/") is None


SEGMENTS = st.lists(st.sampled_from(["a", "b", "aa", "ab"]), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
HOSTS = st.sampled_from(["h", "a.h", "*.h", "*.a.h", "b.a.h"])
RULES = st.lists(
    st.builds(
        Rule,
        payload=st.integers(0, 10_000),
        uris=st.lists(st.builds(str.__add__, SEGMENTS, st.sampled_from(["", "*"])), min_size=1, max_size=2),
        hosts=st.lists(HOSTS, max_size=2),
        methods=st.lists(st.sampled_from(["GET", "POST"]), max_size=1),
        priority=st.integers(-1, 1),
    ),
    max_size=12,
)


def _by_scanning(rules: list[Rule[int]], host: str, method: str, path: str) -> int | None:
    """The specification in one scan: sort every fitting (rule, URI, host) by the documented order."""
    fitting = []
    for order, candidate in enumerate(rules):
        if candidate.methods and method not in candidate.methods:
            continue
        for uri in candidate.uris:
            if path != uri and not (uri.endswith("*") and path.startswith(uri[:-1])):
                continue
            for pattern in candidate.hosts or [""]:
                if pattern.startswith("*"):
                    if not host.endswith(pattern[1:]) or host == pattern[1:]:
                        continue
                elif pattern and pattern != host:
                    continue
                exact_uri = not uri.endswith("*")
                exact_host = bool(pattern) and not pattern.startswith("*")
                key = (not exact_uri, -len(uri), -candidate.priority, not exact_host, -len(pattern), order)
                fitting.append((key, candidate.payload))
    return min(fitting)[1] if fitting else None


@given(
    RULES, st.sampled_from(["h", "a.h", "b.a.h", "c.b.a.h", "x"]), st.sampled_from(["GET", "PUT"]), SEGMENTS
)
def test_the_index_agrees_with_a_scan(rules: list[Rule[int]], host: str, method: str, path: str) -> None:
    """Every shortcut of the index gives what a scan in the documented order gives."""
    normalized = normalize_path(path.encode())
    assert normalized is not None
    expected = _by_scanning(rules, host, method, normalized.decode())
    assert Router(rules).match(host.encode(), method.encode(), path.encode()) == expected


@given(st.binary(max_size=64), st.binary(max_size=8), st.binary(max_size=64))
def test_no_request_makes_the_router_raise(host: bytes, method: bytes, path: bytes) -> None:
    """Host, method and path come from the network."""
    assert Router(HOST_RULES + METHOD_RULES).match(host, method, path) in {
        None,
        "any",
        "wild",
        "wilder",
        "exact",
        "v6",
        "post",
        "read",
        "fallback",
    }
