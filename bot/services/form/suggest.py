"""Suggestions: what the form opens with, from a person's last request, a word after the command, or another key.

All of it is visible in the form and again on the review page, and the person can change any of it. Pure functions.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.catalog import Catalog
from bot.domain.errors import plain
from bot.domain.keys import MyAccount, NewServiceAccount, Operation, Owner, Placed, Resource
from bot.domain.kinds import PLACED
from bot.domain.requests import Ask
from bot.services.catalog.index import cloud_of, placed
from bot.services.commands import Draft
from bot.services.form.fill import BLANK, ME, USUAL, kind_of
from bot.services.form.validate import LIMITS
from bot.services.pages import KeyView
from bot.services.text import LIFETIMES, called

LOOKED_AT = 10
"""How many of a person's newest requests are searched for their last choices."""
NAMED = 5
"""How many resources of the same name a sentence lists, or one more where that makes it complete."""
WORD = 40
"""How many characters of a typed word an answer repeats."""
FROM_LAST = "Filled in from your last request. Change anything you need."
_NUMBER = re.compile(r"[0-9]{1,6}\Z")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the form opens with, and a sentence (mrkdwn) that says where that is from."""

    draft: Draft = BLANK
    notice: str = ""


def from_last(asks: Iterable[Ask], catalog: Catalog) -> Suggestion:
    """A person's last choices that are still possible. `asks` are their requests, newest first.

    Never suggests a key for the whole organization, nor one that doesn't expire.
    """
    ask = next(_creating(asks), None)
    if ask is None:
        return Suggestion()
    place = _place(ask.resource, catalog)
    draft = replace(place, owner=_owner(ask.owner, catalog), lifetime=_lifetime(ask.lifetime))
    return Suggestion(draft, FROM_LAST if draft.owner or draft.environment else "")


def from_word(word: str, asks: Sequence[Ask], catalog: Catalog) -> Suggestion:
    """The resource with this name or ID. If several match, what they have in common, and a sentence that lists them.

    Account and lifetime come from the last request for one of them, or else from the last request. `asks` are the
    person's requests, newest first.
    For a word that nothing matches, the resource stays empty: a form with another one in it could be sent by mistake.
    """
    found, shown = _named(word, catalog), f"“{plain(word[:WORD])}”"
    if not found:
        kept = replace(from_last(asks, catalog).draft, environment="", cluster="", cloud="")
        return Suggestion(kept, f"No resource matches {shown}. Choose one below.")
    same = {(each.kind, each.environment, each.id) for each in found}
    newest = sorted(asks, key=lambda ask: (ask.resource.kind, ask.resource.environment, ask.resource.id) not in same)
    last = from_last(newest, catalog).draft
    kinds, environments = {each.kind for each in found}, {each.environment for each in found}
    draft = Draft(
        owner=last.owner,
        lifetime=last.lifetime,
        kind=found[0].kind if len(kinds) == 1 else BLANK.kind,
        environment=found[0].environment if len(environments) == 1 else "",
        cluster=found[0].id if len(found) == 1 else "",
    )
    if len(found) == 1:
        return Suggestion(_with_cloud(draft), f"Filled in for {plain(_called(found[0]))}.")
    named = found if len(found) <= NAMED + 1 else found[:NAMED]
    listed = "; ".join(plain(_called(each)) for each in named)
    more = f"; and {len(found) - len(named)} more" if len(found) > len(named) else ""
    return Suggestion(draft, f"{len(found)} resources match {shown}: {listed}{more}. Choose one below.")


def from_key(view: KeyView) -> Suggestion:
    """The account, resource and lifetime of a key that the person can see, and a name for another key like it."""
    key, resource, owner = view.key, view.resource, view.owner
    draft = Draft(
        owner=ME if view.is_own else "" if isinstance(owner, MyAccount) else owner.id,
        kind=resource.kind,
        environment=resource.environment,
        cluster="" if resource.kind.row.is_wide else resource.id,
        name=_next(key.name) if key.name.strip() else "",
        lifetime=_lifetime(view.request.ask.lifetime if view.request else None),
    )
    return Suggestion(_with_cloud(draft), f"Filled in from key `{plain(key.id)}`. Change anything you need.")


def _creating(asks: Iterable[Ask]) -> Iterator[Ask]:
    return (ask for ask in asks if ask.operation is Operation.CREATE)


def _owner(owner: Owner, catalog: Catalog) -> str:
    """The account as the form has it; "" if it's gone. One created by the request is found by its name."""
    if isinstance(owner, MyAccount):
        return ME
    is_it = owner.name if isinstance(owner, NewServiceAccount) else owner.id
    return next((each.id for each in catalog.service_accounts if is_it in {each.id, each.name}), "")


def _place(resource: Resource, catalog: Catalog) -> Draft:
    """The form with this resource, its environment and its kind, except what no longer exists.

    `BLANK` for the whole organization.
    """
    kind, environment = resource.kind, resource.environment
    if kind.row.is_wide or not any(each.id == environment for each in catalog.environments):
        return BLANK if kind.row.is_wide else replace(BLANK, kind=kind)
    there = [*placed(catalog, kind, environment), *(catalog.regions if kind.row.is_regional else ())]
    cluster = resource.id if any(each.id == resource.id for each in there) else ""
    return _with_cloud(replace(BLANK, kind=kind, environment=environment, cluster=cluster))


def _with_cloud(draft: Draft) -> Draft:
    return replace(draft, cloud=cloud_of(draft.cluster)) if kind_of(draft).row.is_regional else draft


def _lifetime(lasts: timedelta | None) -> str:
    return str(lasts.days) if lasts is not None and lasts.days in LIFETIMES else USUAL


def _named(word: str, catalog: Catalog) -> Sequence[Placed]:
    """The resources with this name or ID, or else those whose name or ID contains it."""
    wanted = word.strip().casefold()
    there = [each for kind in PLACED for each in catalog.resources.get(kind, ())]
    exact = [each for each in there if wanted in {each.name.casefold(), each.id.casefold()}]
    return exact or [each for each in there if wanted in each.name.casefold() or wanted in each.id.casefold()]


def _called(it: Placed) -> str:
    place = it.environment_name or it.environment
    return f"{called(it)} ({it.kind.row.noun} in {place})"


def _next(name: str) -> str:
    """The name, with the number at its end increased, or else with 2 added."""
    text = name.strip()
    found = _NUMBER.search(text)
    base, number = (text[: found.start()], int(found[0]) + 1) if found else (f"{text} ", 2)
    return f"{base[: LIMITS['name'] - 7]}{number}"
