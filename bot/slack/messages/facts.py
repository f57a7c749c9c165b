"""What a request is for, as facts with labels: account, resource, expiration and what changes. Pure functions."""

from datetime import timedelta
from typing import TypeAlias

from bot.domain.approvals import Terms
from bot.domain.deadlines import end_of_life, glass_of, lifetime
from bot.domain.keys import ApiKey, Marker, MyAccount, NewServiceAccount, Operation, OrganizationScope, Owner, Resource
from bot.domain.requests import (
    Ask,
    Cancelled,
    Denied,
    Done,
    Expired,
    Failed,
    Keyed,
    Living,
    Request,
    Retired,
    Withdrawn,
)
from bot.services import text
from bot.services.text import duration
from bot.slack.blocks.text import Code, Link, Row, flat
from bot.slack.messages.access import role_row
from bot.slack.messages.progress import Rows, extended_to

Fact: TypeAlias = tuple[str, Row]
"""A label and its value."""


def asked_rows(request: Request, own: str) -> Rows:
    """The same as rows of rich text; `own` says whose "My account" is."""
    ask = request.ask
    rows: Rows = [[f"{label}: ", *row] for label, row in facts(request, own)]
    rows += [["Access: ", *role_row(each, ask.resource)] for each in ask.bindings]
    return [*rows, ["Description: ", description]] if (description := description_of(ask)) else rows


def description_of(ask: Ask) -> str:
    """The description of a key, where it isn't shown as a change."""
    return "" if ask.operation is Operation.EDIT else ask.description


def facts(request: Request, own: str) -> list[Fact]:
    """What is requested, each fact with its label. The headline has the name, and the ID of a key that changes."""
    ask = request.ask
    made = (request.key.owner or "") if isinstance(request, Keyed) else ""
    found: list[Fact] = [("Account", account(ask.owner, own, made)), *places(ask.resource, ask.also)]
    if isinstance(ask.owner, NewServiceAccount) and ask.owner.description:
        found.append(("Account description", [flat(ask.owner.description)]))
    if ask.key is not None and ask.operation is Operation.ROTATE:
        found.append(("Replaces", [Code(ask.key.id)]))
    if ask.operation is Operation.EDIT:
        return [*found, *_edited(ask), *ticket(ask.ticket, request.terms)]
    return [*found, *_lasting(request), *ticket(ask.ticket, request.terms)]


def _edited(ask: Ask) -> list[Fact]:
    """What an edit changes."""
    if ask.key is None:
        return []
    old, new = (ask.key.name, Marker.without(ask.key.description)), (ask.name, ask.description)
    pairs = zip(("Name", "Description"), old, new, strict=True)
    return [(label, _change(before, after)) for label, before, after in pairs if before != after]


def changes(ask: Ask) -> Rows:
    """The same in rows."""
    return [[f"{label}: ", *row] for label, row in _edited(ask)]


def ticket(name: str, terms: Terms) -> list[Fact]:
    """The ticket of a request, as a link if its rule has an address; empty without a ticket."""
    shown = flat(name)
    url = terms.ticket.link(name) if terms.ticket else ""
    return [("Ticket", [Link(shown, url) if url else shown])] if shown else []


def _lasting(request: Request) -> list[Fact]:
    """How long the key works, and for a rotation, how long the old one does."""
    ask, lasts = request.ask, lifetime(request.ask, request.terms)
    found: list[Fact] = []
    if ask.operation is Operation.EXTEND:
        found.append(_new_end(request, lasts))
        found += _at_confluent(ask.key, "Expires at Confluent")
    if ask.makes_key:
        found.append(_end(request, lasts))
    if ask.operation is Operation.ROTATE:
        found.append(("Old key", _old_key(request)))
        found += _at_confluent(ask.key, "Old key expires")
    return found


def _old_key(request: Request) -> Row:
    """When the key that a rotation replaces is deleted, or was."""
    former = request.life.former if isinstance(request, Living | Retired) else None
    if former and former.tries and not former.deleted_at:
        return ["couldn't be deleted yet, so it still works"]
    if former:
        return ["deleted ", former.deleted_at or former.until]
    if isinstance(request, Keyed) and request.grant.replaced_at:
        return ["deleted ", request.grant.replaced_at]
    return [f"deleted {kept_for(request.ask)} the new secret is viewed"]


def kept_for(ask: Ask) -> str:
    """How long a rotation keeps the old key, to precede "you view the new secret"."""
    return f"{duration(ask.overlap)} after" if ask.overlap > timedelta() else "as soon as"


def _new_end(request: Request, lasts: timedelta | None) -> Fact:
    """When an extended key expires; once it won't be extended, what was requested."""
    if isinstance(request, Done):
        return "Expires", [extended_to(request) or "never"]
    is_over = isinstance(request, Denied | Cancelled | Expired | Failed)
    counted = f"{duration(lasts)} after approval" if lasts else "never"
    return "Requested expiration" if is_over else "New expiration", [counted]


def _end(request: Request, lasts: timedelta | None) -> Fact:
    """When a new key expires; once there will be no such key, for how long it was requested."""
    if isinstance(request, Denied | Cancelled | Expired | Failed | Withdrawn):
        return "Requested lifetime", [duration(lasts) if lasts else "no expiration"]
    if glass := glass_of(request):
        return "Expires", [glass.ends_at, ", can't be extended"]
    if isinstance(request, Keyed):
        return "Expires", [end_of_life(request) or "never"]
    return "Expires", [f"{duration(lasts)} after creation" if lasts else "never"]


def _at_confluent(key: ApiKey | None, label: str) -> list[Fact]:
    """When Confluent Cloud itself expires a key, whatever is requested; empty if it doesn't."""
    return [(label, [key.expires_at])] if key and key.expires_at else []


def _change(old: str, new: str) -> Row:
    return [flat(old) or "none", " → ", flat(new) or "none"]


def own_account(ask: Ask, own: str) -> str:
    """Whose account it is: `own` if it's the requester's. People who manage keys may change other people's keys."""
    return own if ask.owner.id == ask.requester.principal else "another person's"


def account(owner: Owner, own: str, made: str = "") -> Row:
    """Whose key it is. `made` is the id of a new service account, once there is one."""
    if isinstance(owner, MyAccount):
        return [own, " (", Code(owner.id), ")"]
    if isinstance(owner, NewServiceAccount):
        id_: Row = [Code(made), ", "] if made else []
        return [flat(owner.name), " (", *id_, "new service account)"]
    name = flat(owner.name)
    return [name, " (", Code(owner.id), ")"] if name else [Code(owner.id)]


def owner_row(owner: Owner, own: str) -> Row:
    """The same with its label."""
    return ["Account: ", *account(owner, own)]


def place(resource: Resource) -> list[Fact]:
    """What a key is for, and where that is."""
    if isinstance(resource, OrganizationScope):
        return [("Scope", [resource.name, ", whole organization"])]
    id_: Row = [" (", Code(resource.id), ")"] if called(resource) != resource.id else []
    found: list[Fact] = [(resource.kind.row.noun, [called(resource), *id_])]
    return [*found, ("Environment", [place_of(resource)])] if resource.environment else found


def places(resource: Resource, also: Resource | None) -> list[Fact]:
    """What the keys of a request are for. Both resources of a pair are in one environment."""
    first, *where = place(resource)
    return [first, *(place(also)[:1] if also else []), *where]


def resource_row(resource: Resource) -> Row:
    """The same in one row."""
    (label, row), *where = place(resource)
    return [f"{label}: ", *row, *(piece for _, found in where for piece in (" in ", *found))]


def in_place(resource: Resource) -> str:
    """The environment, as " in production"; "" for a resource without one."""
    return f" in {place_of(resource)}" if resource.environment else ""


def for_what(resource: Resource) -> str:
    """The resource, as "for orders"; "" if the kind of key says it already."""
    return "" if isinstance(resource, OrganizationScope) else f" for {called(resource)}"


def called(resource: Resource) -> str:
    """The name of a resource, to follow "for"."""
    if isinstance(resource, OrganizationScope):
        return resource.kind.row.short or resource.name
    return flat(text.called(resource))


def place_of(resource: Resource) -> str:
    """The name of its environment."""
    return flat(resource.environment_name) or resource.environment


def kind_of(resource: Resource) -> str:
    """The name for a key for it: "Kafka API key"."""
    return f"{resource.kind.row.label} API key"
