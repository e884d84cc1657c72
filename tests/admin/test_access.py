"""Whose requests the Admin API answers."""

from __future__ import annotations

import re

import pytest

from host.admin.access import Addresses, Keys
from host.config import AdminKey


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("127.0.0.1", True),
        ("127.0.0.255", True),
        ("127.0.1.1", False),
        ("::ffff:127.0.0.1", True),
        ("::1", False),
        ("10.1.2.3", True),
        ("fe80::1%eth0", True),
        ("2001:db8::1", False),
        ("", False),
        ("unix", False),
    ],
)
def test_addresses(address: str, is_admitted: bool) -> None:
    """Ranges of both kinds; IPv4 is itself inside IPv6."""
    assert Addresses(["127.0.0.0/24", "10.0.0.0/8", "fe80::/10"]).admit(address) is is_admitted


def test_keys() -> None:
    """Each has its role."""
    keys = Keys([AdminKey("a", "one", "admin"), AdminKey("b", "two", "viewer")])
    assert [keys.role(key) for key in (b"one", b"two", b"", b"One", b"one\xff")] == [
        "admin", "viewer", None, None, None,
    ]  # fmt: skip
    keys.take([AdminKey("a", "three")])
    assert (keys.role(b"one"), keys.role(b"three")) == (None, "admin")


def test_a_key_is_made_up_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """It stays what it is when the configuration is read again."""
    keys = Keys([AdminKey("admin", "")])
    (line,) = [record.getMessage() for record in caplog.records]
    found = re.search(r"until the next start it is ([0-9a-f]{32}) \(set one under deployment.admin", line)
    assert found is not None, line
    keys.take([AdminKey("admin", "")])
    assert len(caplog.records) == 1
    assert keys.role(found[1].encode()) == "admin"
    assert keys.role(b"") is None
    assert Keys([AdminKey("admin", "")]).role(found[1].encode()) is None


def test_the_published_key_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """It works, and its place in a log would be the least of its problems; it is not in ours."""
    key = "edd1c9f034335f136f87ad84b625c8f1"
    assert Keys([AdminKey("admin", key)]).role(key.encode()) == "admin"
    (line,) = [record.getMessage() for record in caplog.records]
    assert "everybody knows it" in line
    assert key not in line
