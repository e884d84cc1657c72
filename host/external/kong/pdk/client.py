"""kong.client: who asks. kong.ip: whom to believe."""

from __future__ import annotations

from typing import Any

from host.external.kong.pdk.addresses import comes_trusted, forwarded_address, is_trusted, remote_address
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import BODY, REQUEST, a_string, method
from host.external.kong.pdk.request import get_forwarded_scheme, get_scheme
from host.external.kong.pdk.state import Event
from host.external.session import session_of, set_session
from host.filters.python import FilterContext


@method("client.get_ip")
def get_ip(event: Event) -> str:
    """The address that is connected to the gateway."""
    return remote_address(event)


@method("client.get_forwarded_ip")
def get_forwarded_ip(event: Event) -> str:
    """The client's address, as a trusted proxy tells it."""
    return forwarded_address(event)


@method("client.get_port")
def get_port(event: Event) -> int:
    """The port that is connected to the gateway."""
    return int(event.view.variable("remote_port") or 0)


@method("client.get_forwarded_port")
def get_forwarded_port(event: Event) -> int:
    """The same: no field that Kong reads tells another."""
    return int(get_port(event))


@method("client.get_protocol", frozenset({"access", "response", "log", "preread"}))
def get_protocol(event: Event, allow_terminated: Any) -> str:
    """`http` or `https`; with `allow_terminated`, as a trusted proxy in front tells it."""
    if allow_terminated and event.phase != "preread" and comes_trusted(event):
        return str(get_forwarded_scheme(event))
    return str(get_scheme(event))


def authenticated(event: Event, what: str) -> dict[str, Any] | None:
    """The `consumer` or the `credential` of the exchange's session, whoever has set it."""
    view = event.view
    session = session_of(view) if isinstance(view, FilterContext) else event.state.session
    found = (session or {}).get(what)
    return found if isinstance(found, dict) else None


@method("client.get_credential")
def get_credential(event: Event) -> dict[str, Any] | None:
    """What the client was authenticated by."""
    return authenticated(event, "credential")


@method("client.get_consumer")
def get_consumer(event: Event) -> dict[str, Any] | None:
    """Whom the client was authenticated as."""
    return authenticated(event, "consumer")


@method("client.load_consumer", BODY | {"preread"})
def load_consumer(event: Event, consumer_id: Any, search_by_username: Any) -> dict[str, Any] | None:
    """A consumer of the configuration, by its id or its user name."""
    wanted = a_string(consumer_id, "consumer_id")
    found = event.gateway.consumers.get(wanted)
    if found is None and search_by_username:
        found = event.gateway.usernames.get(wanted)
    return found


@method("client.authenticate", REQUEST | {"preread"})
def authenticate(event: Event, consumer: Any, credential: Any) -> None:
    """Say whom the client is, and by what: in the session, which filters of all kinds see."""
    if consumer is None and credential is None:
        raise PdkError("either credential or consumer must be provided")
    for value, what in ((consumer, "consumer"), (credential, "credential")):
        if value is not None and not isinstance(value, dict):
            raise PdkError(f"{what} must be a table")
    # Go's types have all their fields, named as Go has them.
    told = {"consumer": _lowered(consumer), "credential": _lowered(credential)}
    view = event.view
    if not isinstance(view, FilterContext):
        event.state.session = told
        return
    kept = {key: value for key, value in (session_of(view) or {}).items() if key not in told}
    try:
        set_session(view, kept | {key: value for key, value in told.items() if value is not None})
    except ValueError as error:
        raise PdkError(str(error)) from None


def _lowered(entity: dict[str, Any] | None) -> dict[str, Any] | None:
    if not entity:
        return None
    names = {
        "Id": "id",
        "ConsumerId": "consumer_id",
        "Username": "username",
        "CustomId": "custom_id",
        "Tags": "tags",
    }
    kept = {
        names.get(str(key), str(key)): value for key, value in entity.items() if value not in (None, "", 0)
    }
    return kept or None


@method("client.get_consumer_group")
def get_consumer_group(event: Event) -> Any:
    """The first of the groups that plugins have set."""
    return event.state.groups[0] if event.state.groups else None


@method("client.get_consumer_groups")
def get_consumer_groups(event: Event) -> list[Any] | None:
    """The groups that plugins have set."""
    return event.state.groups or None


@method("client.set_authenticated_consumer_group")
def set_authenticated_consumer_group(event: Event, group: Any) -> None:
    """Set one group."""
    event.state.groups = [] if group is None else [group]


@method("client.set_authenticated_consumer_groups")
def set_authenticated_consumer_groups(event: Event, groups: Any) -> None:
    """Set the groups."""
    if groups is not None and not isinstance(groups, list):
        raise PdkError("groups must be a table")
    event.state.groups = list(groups or [])[:100]


@method("client.authenticate_consumer_group_by_consumer_id")
def authenticate_consumer_group_by_consumer_id(event: Event, consumer_id: Any) -> None:
    """Take over the groups that the configuration gives a consumer."""
    consumer = event.gateway.consumers.get(a_string(consumer_id, "consumer_id"), {})
    event.state.groups = list(consumer.get("groups", []))


@method("ip.is_trusted")
def ip_is_trusted(event: Event, address: Any) -> bool:
    """Whether an address is within `trusted_ips`."""
    return is_trusted(event.gateway, a_string(address, "address"))
