"""`Remove access`: deletes the role bindings that came with a key, and keeps the key.

People who manage the key need no approval for it. The deletion is recorded first, with its audit lines; then
`RoleBindings.settle` deletes what Latchkey granted with this key, and nothing else.
"""

from dataclasses import dataclass

from bot.domain.audit import Action
from bot.domain.authority import Target
from bot.domain.decision import manages
from bot.domain.errors import Refused, plain
from bot.domain.keys import KeyId, NewServiceAccount, ServiceAccount
from bot.domain.requests import Keyed, Living, Request, Retired
from bot.services.commands import Click, RemoveAccess
from bot.services.keys.role_bindings import bindings_of, give_up, removal_asked
from bot.services.keys.service_accounts import settlement
from bot.services.people.directory import Directory
from bot.services.ports.store import Stored
from bot.services.requests.refusals import Refusals
from bot.services.requests.transitions import Transitions, With
from bot.services.text import KEY_STAYS

NOT_THEIRS = "Only people who manage this key can remove its access. Nothing changed."
_BEING_REMOVED = "The access is already being removed."
_NONE_LEFT = "Latchkey granted no access with this key, or it was removed already. Nothing changed."
_OUTDATED = "This button belongs to an earlier state of the key. Nothing changed. Open the key again."


@dataclass(frozen=True, slots=True)
class Removal:
    """Removes the access that came with a key. May raise `Conflict` and `Unavailable`."""

    transitions: Transitions
    directory: Directory
    refusals: Refusals

    async def remove(self, deed: RemoveAccess, click: Click) -> str:
        """Have the access deleted. Raises `Refused` for people who don't manage the key, and if none is left."""
        stored = await self.transitions.get(deed.request)
        request = stored.value
        if not isinstance(request, Living | Retired) or request.attempt != deed.attempt:
            raise Refused(_OUTDATED)
        try:
            await self.directory.before_no(click.by, lambda directory: _must_manage(directory, request, click))
        except Refused as error:
            tried, why = click.deed.kind, error.tell
            await self.refusals.record(Action.SHOW_REFUSED, deed.request, click, tried=tried, reason=why)
            raise
        return await self._give_up(stored, request.key.id, click)

    async def _give_up(self, stored: Stored[Request], key: KeyId, click: Click) -> str:
        request, now = stored.value, self.transitions.clock()
        left, intents = give_up(request, self.transitions)
        if not intents:
            if any(each.state == "unwanted" for each in bindings_of(request)):
                return _BEING_REMOVED
            raise Refused(_NONE_LEFT)
        asked = removal_asked(request, self.transitions, click.by)
        extra = With(durable=True, also=settlement(request, now))
        await self.transitions.commit(stored, left, *asked, *intents, extra=extra)
        what = "the role" if len(intents) == 1 else f"the {len(intents)} roles"
        removing = f"Latchkey is removing {what} that it granted with key `{plain(key)}`."
        return f"{removing} Anything that needs this access will stop working. {KEY_STAYS}"


async def _must_manage(directory: Directory, request: Keyed, click: Click) -> None:
    person = await directory.identify(click.by, click.team)
    if not manages(await directory.held_roles(person), _target(request)):
        raise Refused(NOT_THEIRS)


def _target(request: Keyed) -> Target:
    """The key with its present account: one that was created for it doesn't have to be created again."""
    owner = request.ask.owner
    made = next((each.principal for each in bindings_of(request) if each.principal), request.key.owner)
    if isinstance(owner, NewServiceAccount) and made:
        owner = ServiceAccount(made, owner.name)
    return Target(owner, request.ask.resource)
