"""The syntax of access log formats."""

from __future__ import annotations

import pytest

from host.exchange.log_values import names
from host.log.format import DEFAULT, VARIABLES, Variable, parse_format


def test_texts_and_variables_come_in_order() -> None:
    """With and without braces; a % is a text like any other."""
    assert parse_format("${status}s 100% $uri$args.") == [
        Variable("status"),
        "s 100% ",
        Variable("uri"),
        Variable("args"),
        ".",
    ]


@pytest.mark.parametrize(
    ("text", "family", "member"),
    [
        ("$http_user_agent", "http_", "user_agent"),
        ("$sent_http_x_a", "sent_http_", "x_a"),
        ("$arg_id", "arg_", "id"),
        ("${property.waf.rule}", "property.", "waf.rule"),
    ],
)
def test_families_have_members(text: str, family: str, member: str) -> None:
    """nginx's, and the properties that filters set; those need braces for their dots."""
    assert parse_format(text) == [Variable(text.strip("${}"), family, member)]


def test_host_is_no_member_of_the_fields() -> None:
    """http_host is a variable of its own: the field is :authority here."""
    assert parse_format("$http_host") == [Variable("http_host")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$statos", r"unknown variable \$statos; did you mean \$status\?"),
        ("a $ b", r"unknown variable \$$"),
        ("${}", r"unknown variable \$$"),
        ("$http_", r"unknown variable \$http_"),
        ("$qwertz", r"unknown variable \$qwertz$"),
    ],
)
def test_an_unknown_variable_is_named(text: str, message: str) -> None:
    """nginx refuses them at start, too."""
    with pytest.raises(ValueError, match=message):
        parse_format(text)


def test_the_default_is_apisix_s() -> None:
    """Each of its variables has a value."""
    assert len([part for part in parse_format(DEFAULT) if isinstance(part, Variable)]) == 16


def test_every_variable_has_a_value() -> None:
    """The two tables are apart: the configuration knows no exchanges."""
    assert set(names()) == VARIABLES
