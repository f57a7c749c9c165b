"""Requests to edit, delete, rotate or extend an existing key.

Each is a request of its own, decided like one for a new key. The id of the click is the id of the request, so the same
click twice is one request.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from bot.domain.approvals import Terms
from bot.domain.authority import HeldRoles, Target
from bot.domain.deadlines import earliest, in_force, is_shorter, lifetime
from bot.domain.errors import Refused, plain
from bot.domain.keys import ApiKey, KeyId, Marker, Operation, RequestId
from bot.domain.requests import MOST_OVERLAP, Approved, Ask
from bot.services.browse.key import KeyViews, present
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.quota import must_have_room
from bot.services.commands import Click, Delete, Draft, Edit, Extend, Rotate, fingerprint
from bot.services.form.validate import LIMITS, is_blank, text_problems, ticket_problem
from bot.services.pages import KeyView, Page, TextPage
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Clock
from bot.services.requests.submit import SENT_ALREADY, Proposals
from bot.services.text import duration, is_lifetime, lifetime_of, shorter

CONFIRM = "CONFIRM"
_Change: TypeAlias = Edit | Delete | Rotate | Extend


@dataclass(frozen=True, slots=True)
class KeyRequests:
    """Opens these requests. Each method reads the key afresh, and raises `Refused` or `NotFound` with a sentence."""

    proposals: Proposals
    key_views: KeyViews
    directory: Directory
    catalog: CatalogCache
    cloud: Cloud
    clock: Clock

    async def edit(self, deed: Edit, click: Click) -> Page:
        """Request a new name and description.

        If someone else changed them since the page was opened, nothing is sent: returns the page again, with what was
        typed.
        """
        held_roles = await self._held_roles(deed.key, Operation.EDIT, click)
        page = await self.key_views.edit_page(deed.key, held_roles)
        view, key = page.view, page.view.key
        if fingerprint(key.name, key.description) != deed.seen:
            again = replace(page, typed=(deed.name, deed.description, deed.reason, deed.ticket), notice=_CHANGED)
            return await self.key_views.with_approvers(again, held_roles)
        name, description = deed.name.strip(), deed.description.strip()
        if (name, description) == (key.name, key.description):
            return TextPage("Nothing to change", "The name and description are the same as before. Nothing changed.")
        _check_texts(deed.name, deed.description, deed.reason, key)
        _must_say_why(view, deed.reason)
        ask = await self._ask(Operation.EDIT, view, held_roles, click, deed)
        return await self._propose(replace(ask, name=name, description=description), click, "Updating")

    async def delete(self, deed: Delete, click: Click) -> Page:
        """Request the deletion of the key. Raises `Refused` also if the word `CONFIRM` wasn't typed."""
        if deed.word != CONFIRM:
            raise Refused(f"Nothing was deleted, because you didn't type {CONFIRM}.")
        held_roles = await self._held_roles(deed.key, Operation.DELETE, click)
        view = (await self.key_views.delete_page(deed.key, held_roles)).view
        _check_texts("", "", deed.reason, view.key)
        _must_say_why(view, deed.reason)
        ask = await self._ask(Operation.DELETE, view, held_roles, click, deed)
        return await self._propose(ask, click, "Deleting")

    async def rotate(self, deed: Rotate, click: Click) -> Page:
        """Request a new key for the same owner and resource. This one is deleted after the overlap."""
        held_roles = await self._held_roles(deed.key, Operation.ROTATE, click)
        page = await self.key_views.rotate_page(deed.key, held_roles)
        if is_blank(deed.name) or is_blank(deed.reason):
            raise Refused("Enter a name and a reason for the new key. Nothing was sent.")
        _check_texts(deed.name, deed.description, deed.reason, page.view.key)
        ask = await self._ask(Operation.ROTATE, page.view, held_roles, click, deed)
        ask = replace(
            ask,
            name=deed.name.strip(),
            description=deed.description.strip(),
            overlap=_overlap(deed.overlap_days, page.terms),
            lifetime=chosen(deed.lifetime, page.terms),
        )
        await must_have_room(self.cloud, ask)
        return await self._propose(ask, click, "Rotating")

    async def extend(self, deed: Extend, click: Click) -> Page:
        """Request a longer lifetime, from the approval on. Raises `Refused` also if the key would expire earlier."""
        held_roles = await self._held_roles(deed.key, Operation.EXTEND, click)
        page = await self.key_views.extend_page(deed.key, held_roles)
        if is_blank(deed.reason):
            raise Refused("Enter a reason. Nothing was sent.")
        _check_texts("", "", deed.reason, page.view.key)
        ask = await self._ask(Operation.EXTEND, page.view, held_roles, click, deed)
        ask = replace(ask, lifetime=chosen(deed.lifetime, page.terms))
        lasts, end = lifetime(ask, page.terms), page.view.ends_at
        expires = in_force(page.view.key.expires_at, ask.asked_at)
        if is_shorter(earliest(ask.asked_at + lasts if lasts else None, expires), end):
            raise Refused(f"{shorter(end)} Nothing was sent.")
        return await self._propose(ask, click, "Extending")

    async def _held_roles(self, key: KeyId, operation: Operation, click: Click) -> HeldRoles:
        """The roles that the person who clicked holds now.

        Raises `Unavailable` if the catalog may still learn the key's environment, on which the rule may depend.
        """
        held_roles = await self.directory.held_roles(await self.directory.identify(click.by, click.team))
        await self.catalog.must_place((await self.key_views.key_view(key, held_roles)).key)
        view = await self.key_views.key_view(key, held_roles)
        return await self.directory.asking(held_roles, operation, Target(view.owner, view.resource))

    async def _ask(
        self, operation: Operation, view: KeyView, held_roles: HeldRoles, click: Click, deed: _Change
    ) -> Ask:
        """The ask, with the key's present name and description. `Ask.key` is as Confluent has it, with our marker.

        Raises `Refused` if the ticket isn't what the rule requires, or the key is gone or was just changed.
        """
        target = Target(view.owner, view.resource)
        rule = self.directory.policy().rule(operation, target, held_roles)
        if view.leak is None and (wrong := ticket_problem(rule, deed.ticket)):
            raise Refused(f"{plain(wrong)} Nothing was sent.")
        key = await present(view.key, target, self.cloud)
        if key is None:
            raise Refused(f"The key `{plain(view.key.id)}` no longer exists. Nothing changed.")
        if (key.name, Marker.without(key.description)) != (view.key.name, view.key.description):
            raise Refused("Someone else is changing this key right now. Nothing changed. Open it again.")
        return Ask(
            id=RequestId(click.id),
            requester=held_roles.person,
            operation=operation,
            owner=view.owner,
            resource=view.resource,
            name=view.key.name,
            description=Marker.without(key.description),
            reason=deed.reason,
            asked_at=self.clock(),
            key=key,
            leaked=view.leak is not None,
            ticket=deed.ticket.strip() if rule and not ticket_problem(rule, deed.ticket) and rule.ticket else "",
        )

    async def _propose(self, ask: Ask, click: Click, doing: str) -> Page:
        request, title = await self.proposals.propose(ask, click), f"{ask.operation.value.capitalize()} API key"
        if request is None:
            return TextPage(title, SENT_ALREADY)
        key = plain(ask.key.id) if ask.key else ""
        if isinstance(request, Approved):
            said = f"No approval needed. {doing} key `{key}`. Latchkey will message you when it's done."
            return TextPage(f"{doing} API key", said)
        return TextPage(title, "Request sent. Latchkey will message you when it's approved or denied.")


def chosen(days: str, terms: Terms) -> timedelta | None:
    """The chosen lifetime; None for as long as the rule allows. Raises `Refused` for more than that."""
    if not is_lifetime(days):
        raise Refused("Nothing was sent, because the lifetime couldn't be read. Choose it again.")
    wanted, most = lifetime_of(days), terms.lifetime
    if wanted is not None and most is not None and wanted > most:
        raise Refused(f"The policy rule {plain(terms.rule)} allows at most {duration(most)}. Nothing was sent.")
    return wanted


def _overlap(days: int, terms: Terms) -> timedelta:
    """How long the old key is kept. Raises `Refused` for longer than allowed."""
    wanted, most = timedelta(days=max(days, 0)), min(terms.overlap, MOST_OVERLAP)
    if wanted > most:
        raise Refused(f"The old key can be kept for at most {duration(most)}. Nothing was sent.")
    return wanted


def _must_say_why(view: KeyView, reason: str) -> None:
    """Raise `Refused` for a change without a reason, unless the key is the person's own."""
    if view.needs_reason and is_blank(reason):
        raise Refused("A reason is required, because this isn't your personal key. Nothing was sent.")


def _check_texts(name: str, description: str, reason: str, key: ApiKey) -> None:
    """Raise `Refused` for what the form would refuse. Unchanged texts pass, whatever they contain."""
    typed = Draft(name=name or "-", description=description, reason="-" if is_blank(reason) else reason)
    problems = dict(text_problems(typed))
    unchanged = {"name": key.name, "description": Marker.without(key.description)}
    for field in LIMITS:
        if field in problems and getattr(typed, field) != unchanged.get(field):
            raise Refused(f"{field.capitalize()}: {problems[field]} Nothing was sent.")


_CHANGED = (
    "Someone changed this key while you were editing it, so nothing was sent yet. "
    "The fields show what you typed. The key's current values are above them."
)
