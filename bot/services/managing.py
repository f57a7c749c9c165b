"""Asking for something to happen to a key that exists: edit, delete, rotate, extend.

Each becomes a request of its own, decided as one for a new key is. The id of the click is the id of the request: the
same click twice asks once.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.asks import Ask
from bot.domain.authority import Target
from bot.domain.deadlines import end_of_life
from bot.domain.errors import Refused, plain
from bot.domain.keys import ApiKey, KeyId, Marker, Operation, Person, RequestId
from bot.domain.life import MOST_OVERLAP
from bot.domain.policy import Rule
from bot.domain.requests import Approved, Confirmed, Shown
from bot.services.checking import LIMITS, text_problems
from bot.services.clicks import Click, Delete, Draft, Edit, Extend, Rotate, fingerprint
from bot.services.directory import Directory
from bot.services.pages import EditPage, KeyView, Page, TextPage
from bot.services.proposing import SENT_ALREADY, Proposing
from bot.services.quota import room
from bot.services.viewing import Viewing

CONFIRM = "CONFIRM"
OWN_KEY = "This is a key of Latchkey itself. It is changed where it was made, not here. Nothing was changed."


@dataclass(frozen=True, slots=True)
class Managing:
    """Every method reads the key afresh, and raises `Refused` or `NotFound` with a sentence for the person."""

    proposing: Proposing
    viewing: Viewing

    @property
    def directory(self) -> Directory:
        """People, roles, and what there is."""
        return self.proposing.directory

    async def carry_out(self, deed: Edit | Delete | Rotate | Extend, click: Click) -> Page:
        """Ask for what the deed says; returns the page that answers the modal."""
        match deed:
            case Edit():
                return await self.edit(deed, click)
            case Delete():
                return await self.delete(deed, click)
            case Rotate():
                return await self.rotate(deed, click)
            case Extend():
                return await self.extend(deed, click)

    async def edit(self, deed: Edit, click: Click) -> Page:
        """Change name and description; what somebody else changed meanwhile is shown, and not written over."""
        person, view = await self._seen(deed.key, click)
        key = view.key
        if fingerprint(key.name, key.description) != deed.seen:
            return EditPage(view, (deed.name, deed.description), _CHANGED)
        name, description = deed.name.strip(), deed.description.strip()
        if (name, description) == (key.name, key.description):
            return TextPage("Nothing to change", "Name and description are as they were. Nothing was changed.")
        _check_texts(deed.name, deed.description, deed.reason, key)
        ask = await self._ask(Operation.EDIT, view, person, click, deed.reason)
        return await self._propose(replace(ask, name=name, description=description), click, "being changed")

    async def delete(self, deed: Delete, click: Click) -> Page:
        """Delete the key for ever, if the word was typed."""
        if deed.word != CONFIRM:
            raise Refused(f"Nothing was deleted, because the word typed was not {CONFIRM}.")
        person, view = await self._seen(deed.key, click)
        _check_texts("", "", deed.reason, view.key)
        ask = await self._ask(Operation.DELETE, view, person, click, deed.reason)
        return await self._propose(ask, click, "being deleted")

    async def rotate(self, deed: Rotate, click: Click) -> Page:
        """Make a new key for the same owner and resource; this one is deleted after the overlap."""
        person, view = await self._seen(deed.key, click)
        if not deed.name.strip() or not deed.reason.strip():
            raise Refused("A new key needs a name and a reason. Nothing was sent.")
        _check_texts(deed.name, deed.description, deed.reason, view.key)
        ask = await self._ask(Operation.ROTATE, view, person, click, deed.reason)
        rule = self._rule(ask)
        overlap, most = timedelta(days=max(deed.overlap_days, 0)), min(rule.overlap, MOST_OVERLAP)
        if overlap > most:
            raise Refused(f"The old key may live on for {most.days} days at most. Nothing was sent.")
        ask = replace(
            ask,
            name=deed.name.strip(),
            description=deed.description.strip(),
            overlap=overlap,
            lifetime=chosen(deed.lifetime, rule),
        )
        if (full := await room(self.directory.cloud, ask)) is not None:
            raise Refused(f"{full} Nothing was sent.")
        return await self._propose(ask, click, "being replaced")

    async def extend(self, deed: Extend, click: Click) -> Page:
        """Give the key a longer life, from now on."""
        person, view = await self._seen(deed.key, click)
        state = view.request
        if not isinstance(state, Shown | Confirmed) or end_of_life(state) is None:
            raise Refused("Latchkey gave this key no end, so there is nothing to extend. Nothing was changed.")
        if not deed.reason.strip():
            raise Refused("An extension needs a reason. Nothing was sent.")
        _check_texts("", "", deed.reason, view.key)
        ask = await self._ask(Operation.EXTEND, view, person, click, deed.reason)
        ask = replace(ask, lifetime=chosen(deed.lifetime, self._rule(ask)))
        return await self._propose(ask, click, "being extended")

    async def _seen(self, key: KeyId, click: Click) -> tuple[Person, KeyView]:
        person = await self.directory.identify(click.by, click.team)
        view = await self.viewing.key_view(key, await self.directory.standing(person))
        if await self.directory.is_own(view.owner):
            raise Refused(OWN_KEY)
        return person, view

    async def _ask(self, operation: Operation, view: KeyView, person: Person, click: Click, reason: str) -> Ask:
        """The ask with the key's own texts; the key in it carries our marker as Confluent has it."""
        key = await self.directory.cloud.key(view.key.id)
        if key is None:
            raise Refused(f"The key `{plain(view.key.id)}` is gone by now. Nothing was changed.")
        return Ask(
            id=RequestId(click.id),
            requester=person,
            operation=operation,
            owner=view.owner,
            resource=view.resource,
            name=view.key.name,
            description=Marker.without(key.description),
            reason=reason,
            asked_at=self.proposing.ledger.clock(),
            key=key,
        )

    def _rule(self, ask: Ask) -> Rule:
        rule = self.directory.policy().rule(ask.operation, Target(ask.owner, ask.resource))
        if rule is None:
            raise Refused("No rule of the policy allows this. Nothing was sent.")
        return rule

    async def _propose(self, ask: Ask, click: Click, doing: str) -> Page:
        request = await self.proposing.propose(ask, click)
        if request is None:
            return TextPage("Request sent", SENT_ALREADY)
        key = plain(ask.key.id) if ask.key else ""
        if isinstance(request, Approved):
            return TextPage("On its way", f"No approval is needed. Key `{key}` is {doing}. Latchkey writes to you.")
        return TextPage("Request sent", "Your request is on its way. Latchkey writes to you when it is decided.")


def chosen(days: str, rule: Rule) -> timedelta | None:
    """The lifetime that was chosen; None for the rule's own. Raises `Refused` for more than the rule lets."""
    if not days:
        return None
    if not days.isdecimal() or not 0 < int(days) <= _MOST_DAYS:
        raise Refused("The lifetime could not be read. Nothing was sent. Choose it again.")
    wanted = timedelta(days=int(days))
    if rule.lifetime is not None and wanted > rule.lifetime:
        raise Refused(
            f"The rule {plain(rule.name)} lets such a key live for {rule.lifetime.days} days at most. Nothing was sent."
        )
    return wanted


def _check_texts(name: str, description: str, reason: str, key: ApiKey) -> None:
    """Raises `Refused` for what the form would refuse; texts that are as they were pass, whatever they hold."""
    typed = Draft(name=name or "-", description=description, reason=reason or "-")
    problems = dict(text_problems(typed))
    unchanged = {"name": key.name, "description": Marker.without(key.description)}
    for field in LIMITS:
        if field in problems and getattr(typed, field) != unchanged.get(field):
            raise Refused(f"{field.capitalize()}: {problems[field]} Nothing was sent.")


_MOST_DAYS = 3650
_CHANGED = (
    "Somebody changed this key while you were writing, so nothing was changed yet. "
    "The fields hold what you wrote; above them is what the key says now."
)
