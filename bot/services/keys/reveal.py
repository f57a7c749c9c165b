"""Shows a secret once, to the requester alone, and does what follows: it's saved, or the key is replaced.

The secret leaves the store in the same write that moves the request to Revealing. So two clicks have one winner, and a
crash loses the secret rather than showing it twice. A key whose secret isn't known to have arrived is deleted.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.audit import Action
from bot.domain.errors import Conflict, LatchkeyError, Refused, plain
from bot.domain.keys import NewServiceAccount, Owner, Person, RequestId, Secret, ServiceAccount
from bot.domain.requests import Confirmed, Granted, Keyed, Life, Offered, Ready, Request, Revealing, Shown, Undelivered
from bot.services.commands import Click, DropFormer, KeepFormer, RemoveAccess, Replace, Saved, Show
from bot.services.keys.create import ON_ITS_WAY, Creation
from bot.services.keys.expiry import Expiry
from bot.services.keys.lifecycle import Lifecycle, former_of
from bot.services.keys.pairs import Pairs
from bot.services.keys.removal import Removal
from bot.services.keys.service_accounts import settlement
from bot.services.pages import Handover, SecondKey
from bot.services.people.directory import Directory
from bot.services.ports.slack import Notifier
from bot.services.ports.store import Stored
from bot.services.requests.refusals import Refusals
from bot.services.requests.transitions import Transitions, With
from bot.services.text import instead, when

PRESENT = timedelta(minutes=2)
"""An older click shows no secret: the person may have left their screen."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the requester does with a key that was created."""

    transitions: Transitions
    directory: Directory
    expiry: Expiry
    lifecycle: Lifecycle
    creation: Creation
    notifier: Notifier
    refusals: Refusals
    removal: Removal
    pairs: Pairs

    async def show(self, deed: Show, click: Click) -> str | None:
        """Show the secret in answer to this click. Returns a sentence instead if there is nothing to show."""
        stored = await self._of(deed.request, click)
        ready = stored.value
        if not _is_present(ready, deed.attempt):
            return _OUTDATED
        now = self.transitions.clock()
        if not isinstance(ready, Ready | Offered):
            return instead(ready)
        these, them, show = ("these secrets", "them", "Show secrets") if ready.ask.also else _ONE
        if now >= ready.claim_by:
            return f"The time to view {these} has passed, and no key is left. Request again with `/apikey create`."
        if now - click.at > PRESENT:
            return f"Latchkey was restarting when you clicked. Select `{show}` again."
        if click.reply.response_url is None:  # the only way to show a secret
            return f"Slack can't show {them} here. Run `/apikey requests` and select `{show}`."
        if isinstance(ready, Ready):
            revealing, secret = await self._claim(stored, ready, click)
            await self._reveal(revealing, ready, secret, click)
            return None
        minted = await self.creation.mint(stored, ready, click.by)
        if isinstance(minted, str):
            return minted
        await self._reveal(*minted, click)
        return None

    async def saved(self, deed: Saved, click: Click) -> None:
        """Record that the requester saved the secret, and remove the message that shows it."""
        stored = await self._of(deed.request, click)
        shown = stored.value
        # An earlier key's message says nothing about the secret of the present one. A quick click can overtake our own
        # note that Slack took the message.
        if _is_present(shown, deed.attempt) and isinstance(shown, Shown | Revealing):
            now = self.transitions.clock()
            at = shown.at if isinstance(shown, Shown) else now
            life = shown.life if isinstance(shown, Shown) else _begun(shown.then(Shown, at=at, life=shown.life))
            confirmed = shown.then(Confirmed, shown_at=at, at=now, life=life)
            event = self.transitions.event(Action.CONFIRMED, deed.request, click.by, key=shown.key.id)
            await self.transitions.commit(stored, confirmed, event)
        await self.notifier.clear(click.reply)

    async def replace(self, deed: Replace, click: Click) -> str:
        """Delete this key and create another under the same approval, while that is fresh. Returns a sentence."""
        state = await self._give_up(deed, click)
        if click.card is None:  # the click came from the message that shows the secret
            await self.notifier.clear(click.reply)
        if state.ask.also:
            return "The keys are being deleted and new ones created. Latchkey will message you when they're ready."
        key = plain(state.key.id)
        return f"The key `{key}` is being deleted and a new one created. Latchkey will message you when it's ready."

    async def drop_former(self, deed: DropFormer, click: Click) -> str:
        """Delete the key that this one replaced now, before its time. Returns a sentence."""
        return await self.lifecycle.drop_now(await self._present(deed, click), click.by)

    async def keep_former(self, deed: KeepFormer, click: Click) -> str:
        """Keep the key that this one replaced for another day; see `KeepFormer`. Returns a sentence."""
        return await self.lifecycle.longer(await self._present(deed, click), click.by, seen=deed.until)

    async def remove_access(self, deed: RemoveAccess, click: Click) -> str:
        """Delete the roles that came with this key; see `Removal`. Returns a sentence."""
        return await self.removal.remove(deed, click)

    async def _present(self, deed: DropFormer | KeepFormer | Replace, click: Click) -> Stored[Request]:
        """The request, if the button is about its present key. Raises `Refused` otherwise."""
        stored = await self._of(deed.request, click)
        if not _is_present(stored.value, deed.attempt):
            # Another key may be on its way because of this very click, whose answer was lost.
            more = " more" if isinstance(deed, Replace) else ""
            raise Refused(f"{_OUTDATED} Nothing{more} changed.")
        return stored

    async def _give_up(self, deed: Replace, click: Click) -> Keyed:
        stored = await self._present(deed, click)
        state = stored.value
        if not isinstance(state, Revealing | Shown | Confirmed | Undelivered):
            raise Refused(f"{instead(state)} Nothing changed.")
        if not await self.pairs.can_be_replaced(state):
            raise Refused(f"{_APART} Nothing changed.")
        if state.grant.is_unreviewed and not isinstance(state, Undelivered):  # if no key follows, no review is due
            raise Refused(_UNREVIEWED)
        now = self.transitions.clock()
        if now >= state.grant.fresh_until:
            stays = "no other key is created" if isinstance(state, Undelivered) else "nothing changed"
            ended = when(state.grant.fresh_until)
            raise Refused(f"The approval expired {ended}, so {stays}. Request a new one with `/apikey create`.")
        asked = self.transitions.event(Action.REPLACEMENT_ASKED, deed.request, click.by, key=state.key.id)
        if isinstance(state, Undelivered) and state.deleted_at:
            await self.transitions.commit(stored, state.next_attempt(now), asked)
        elif not (isinstance(state, Undelivered) and state.reissue):
            why = "You requested another key in its place."
            await self.expiry.undeliver(stored, state, why, asked, reissue=True)
        return state

    async def _of(self, request: RequestId, click: Click) -> Stored[Request]:
        """The request, if it's this person's, who is matched again now. Raises `Refused` otherwise."""
        stored = await self.transitions.get(request)
        asker = stored.value.ask.requester
        if stored.value.ask.beside is not None:  # both keys of a pair are shown by the leading request
            raise Refused(f"{_OUTDATED} Nothing changed.")
        try:
            _must_be(asker, await self.directory.identify(click.by, click.team))
        except Refused as error:
            tried = click.deed.kind
            await self.refusals.record(Action.SHOW_REFUSED, request, click, tried=tried, reason=error.tell)
            raise
        return stored

    async def _claim(
        self, stored: Stored[Request], ready: Ready, click: Click
    ) -> tuple[Stored[Revealing], Secret | None]:
        # Without the secret, the key can't be tested: what is known about it now is all there will be.
        life = replace(ready.life, probe=replace(ready.life.probe, next_at=None), endpoints=ready.endpoints)
        revealing = ready.then(Revealing, until=self.transitions.clock() + ON_ITS_WAY, life=life)
        event = self.transitions.event(Action.SHOW_INTENDED, ready.ask.id, click.by, key=ready.key.id)
        # On disk before it is shown: a store that forgot the claim in a crash would show the secret again.
        return await self.transitions.commit(stored, revealing, event, extra=With(take_secret=True, durable=True))

    async def _reveal(self, stored: Stored[Revealing], ready: Ready, secret: Secret | None, click: Click) -> None:
        second = await self._second(ready, click) if ready.ask.also else None
        if secret is None or isinstance(second, str):
            why = second if isinstance(second, str) else "The stored secret couldn't be read."
            await self.expiry.undeliver(stored, stored.value, why)
            return
        handover = Handover(
            ready.ask.id,
            ready.attempt,
            ready.key,
            secret,
            _owner(ready),
            ready.ask.resource,
            ready.endpoints,
            ready.grant.fresh_until,
            probe=ready.life.probe,
            second=second,
            replace_after_review=ready.grant.is_unreviewed,
        )
        try:
            await self.notifier.hand_over(click.reply, handover)
        except LatchkeyError:
            secrets = "secrets" if ready.ask.also else "secret"
            await self.expiry.undeliver(stored, stored.value, f"Slack didn't accept the message with the {secrets}.")
            return
        shown = stored.value.then(Shown, at=self.transitions.clock(), life=stored.value.life)
        event = self.transitions.event(Action.SHOWN, ready.ask.id, click.by, key=ready.key.id)
        extra = With(also=settlement(shown, shown.at))
        if second and shown.life.other:
            shown = replace(shown, life=replace(shown.life, other=replace(shown.life.other, probe=second.probe)))
        with suppress(Conflict):  # the requester was quicker with the next click, or the lease ended
            await self.transitions.commit(stored, replace(shown, life=_begun(shown)), event, extra=extra)

    async def _second(self, ready: Ready, click: Click) -> SecondKey | str:
        """The second key of a pair, which is claimed now; or a sentence why the two can't be shown."""
        try:
            claimed = await self.pairs.claim(ready, click.by)
        except LatchkeyError:
            return "Latchkey couldn't get the secret of the second key."
        if claimed is None:
            return "The second key was deleted in the meantime."
        second, secret = claimed
        if secret is None:
            return "The stored secret of the second key couldn't be read."
        return SecondKey(second.key, secret, second.ask.resource, second.endpoints, second.life.probe)


_ONE = "this secret", "it", "Show secret"
"""What `Delivery.show` calls it unless there are two."""
_APART = (
    "The other key of this request was deleted, so the two can't be replaced together. "
    "Rotate this key, or request a new one with `/apikey create`."
)
_UNREVIEWED = "Keys that were created with break-glass can be replaced only after the review. Nothing changed."
_OUTDATED = "This button is for an earlier key. Use the latest message."


def _is_present(request: Request, attempt: int) -> bool:
    """Whether a button of this attempt is about the present key, if there is one."""
    return not isinstance(request, Granted) or request.attempt == attempt


def _must_be(asker: Person, person: Person) -> None:
    if person.slack != asker.slack or person.principal != asker.principal:
        raise Refused("Only the person who requested this key can see its secret.")


def _begun(shown: Shown) -> Life:
    """The key's life, from the moment its secret was shown: the end of the key that it replaces is set now."""
    return replace(shown.life, former=former_of(shown))


def _owner(ready: Ready) -> Owner:
    """The owner of the key, with the id of an account that was created for it."""
    owner, made = ready.ask.owner, ready.key.owner
    return ServiceAccount(made, owner.name) if isinstance(owner, NewServiceAccount) and made else owner
