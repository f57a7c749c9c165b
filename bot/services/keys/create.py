"""Creates a key: decides once more, writes the intent to disk, creates, then records the key and its sealed secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus

from bot.domain.audit import Action, Event
from bot.domain.catalog import Endpoints
from bot.domain.deadlines import earliest, end_of_life, in_force, remind_at, review_due, to_claim
from bot.domain.errors import CloudRefused, Conflict, LatchkeyError, Refused, Unavailable, Unknown, plain
from bot.domain.keys import ApiKey, Marker, MyAccount, NewServiceAccount, Owner, Secret, ServiceAccount
from bot.domain.policy import Policy
from bot.domain.readiness import OtherKey, begin
from bot.domain.requests import Approved, Life, Offered, Ready, Request, Revealing, Shown, Working
from bot.services.agenda import Item, ItemKind
from bot.services.keys.expiry import Backstop, ExpirySupport, may_be_to_blame, met
from bot.services.keys.pairs import Pairs, Wait
from bot.services.keys.reconcile import ACCOUNT_GOES, Orphans, attempt_of, left_behind
from bot.services.keys.role_bindings import RoleBindings
from bot.services.keys.service_accounts import Accounts, settlement
from bot.services.ports.cloud import Cloud, NewKey
from bot.services.ports.store import Stored
from bot.services.requests.recheck import Permission
from bot.services.requests.transitions import STRAGGLER, Transitions, With
from bot.services.text import called

SENT_FOR = timedelta(seconds=30)
"""After this, a create without an answer is looked for. Longer than the client waits for one."""
NOTHING_CHANGED = "Nothing changed in Confluent Cloud."
ON_ITS_WAY = timedelta(seconds=30)
"""How long sending the message may take before the secret counts as lost."""
_NOT_NOW = "The key couldn't be created. See the message about it for details."


@dataclass(frozen=True, slots=True)
class Made:
    """A key that isn't recorded yet, with the intent that it was created under."""

    working: Stored[Working]
    key: ApiKey
    secret: Secret

    @property
    def said(self) -> ExpirySupport:
        """What the key shows about Confluent's API."""
        return met(self.working.value, self.key)


@dataclass(frozen=True, slots=True)
class Creation:
    """The steps that create a key. All may raise `Conflict` and `Unavailable`, like those of `Steps`."""

    transitions: Transitions
    permission: Permission
    accounts: Accounts
    role_bindings: RoleBindings
    orphans: Orphans
    backstop: Backstop
    cloud: Cloud
    policy: Callable[[], Policy]
    pairs: Pairs

    async def make(self, stored: Stored[Request], approved: Approved) -> None:
        """Create the key, or offer it if it's created at the requester's click."""
        if approved.terms.mint == "on_claim":
            await self.transitions.commit(stored, offered(approved, self.transitions.clock()))
            return
        try:
            second = await self.pairs.second(approved) if approved.ask.also else None
            if isinstance(second, Wait):
                await self.transitions.commit(
                    stored, replace(approved, not_before=second.until, trouble=second.trouble)
                )
                return
            approved, endpoints = await self.permitted(approved)
        except Conflict:
            raise
        except LatchkeyError as error:
            await self._stop(stored, approved, error)
            return
        progress = await self.role_bindings.give(stored, approved)
        stored, approved = progress.stored, replace(approved, grant=progress.grant)
        if progress.error:
            await self._stop(stored, approved, progress.error)
            return
        try:
            made = await self.create(stored, approved)
        except Unavailable as error:  # the intent may not be on disk, so nothing was sent
            await self.transitions.later(stored, approved, error)
            return
        if made:
            await self._made(made, endpoints, second)

    async def _stop(self, stored: Stored[Request], approved: Approved, error: LatchkeyError) -> None:
        """What follows if the key can't be created now, or at all: the request waits, or fails."""
        match error:
            case Unavailable() | Unknown():
                await self.transitions.later(stored, approved, error)
            case CloudRefused():
                step = _next_step(error, approved.ask.owner)
                await self.fail(stored, approved, error.detail, NOTHING_CHANGED, step, error.reference)
            case _:
                await self.fail(stored, approved, error.happened, NOTHING_CHANGED, "")

    async def mint(
        self, stored: Stored[Request], offered: Offered, actor: str
    ) -> tuple[Stored[Revealing], Ready, Secret] | str:
        """Create the key at the requester's own click, so that only this process ever holds its secret.

        Returns the record, which then says that the secret is being shown, the key as it was ready, and the secret; or
        a sentence if no key was created. Raises `Conflict` if another click was first, `Unavailable` if nothing was
        tried.
        """
        now = self.transitions.clock()
        approved = offered.then(
            Approved, not_before=now, without_end=offered.without_end, lost_answers=offered.lost_answers
        )
        try:
            approved, endpoints = await self.permitted(approved)
        except (Unavailable, Unknown):
            raise
        except LatchkeyError as error:
            return await self._not_minted(stored, offered, error)
        progress = await self.role_bindings.give(stored, offered)
        stored, offered = progress.stored, replace(offered, grant=progress.grant)
        if isinstance(progress.error, Unavailable | Unknown):
            raise progress.error
        if progress.error:
            return await self._not_minted(stored, offered, progress.error)
        approved = replace(approved, grant=progress.grant)
        made = await self.create(stored, approved)
        if made is None:
            return _NOT_NOW
        ready = made.working.value.then(Ready, key=made.key, endpoints=endpoints, claim_by=offered.claim_by)
        claimed = await self._claimed(made.working, ready, actor)
        await self.backstop.learn(made.said)
        return claimed, ready, made.secret

    async def _not_minted(self, stored: Stored[Request], offered: Offered, error: LatchkeyError) -> str:
        await self.fail(stored, offered, error.happened, NOTHING_CHANGED, "")
        return f"{error.happened} {left_behind(offered, NOTHING_CHANGED)}"

    async def _claimed(self, working: Stored[Working], ready: Ready, actor: str) -> Stored[Revealing]:
        transitions, key = self.transitions, ready.key
        revealing = ready.then(Revealing, until=transitions.clock() + ON_ITS_WAY)
        events = (
            transitions.event(Action.CREATED, ready.ask.id, **_about(ready, transitions.clock())),
            transitions.event(Action.SHOW_INTENDED, ready.ask.id, actor, key=key.id),
        )
        try:
            written, _ = await transitions.commit(working, revealing, *events, extra=With(durable=True))
        except Conflict:  # another process gave this attempt up; its key must not outlive that
            await self.orphans.disown(working.value, key)
            raise
        return written

    async def permitted(self, approved: Approved) -> tuple[Approved, Endpoints]:
        """Decide once more, on the roles that everyone holds now. The terms may get stricter.

        Returns the request on these terms, and the resource's endpoints. Raises `Refused` if it's no longer allowed.
        """
        ask = approved.ask
        approved = replace(approved, terms=await self.permission.renew(approved))
        await self.accounts.check(approved)
        await self._none_left(approved)
        found = await self.cloud.resource(ask.resource.kind, ask.resource.environment, ask.resource.id)
        if found is None:
            raise Refused(f"{plain(called(ask.resource))} ({ask.resource.id}) no longer exists.")
        return approved, found[1]

    async def create(self, stored: Stored[Request], approved: Approved) -> Made | None:
        """Create the key after recording the intent. Returns None if there is no key; the record says why."""
        working = await self._intend(stored, approved, await self.backstop.wanted(approved))
        try:
            return await self._create(working)
        except LatchkeyError as error:
            if may_be_to_blame(working.value, error):
                return await self._without_end(working, approved, error)
            await self._not_made(working, approved, error)
            return None

    async def _without_end(self, refused: Stored[Working], approved: Approved, why: LatchkeyError) -> Made | None:
        """The next attempt, with a marker and an intent of its own, without the field that may have been refused."""
        event = self.transitions.event(
            Action.CREATE_REFUSED, approved.ask.id, marker=str(refused.value.marker), why=str(why)
        )
        again = replace(approved, attempt=approved.attempt + 1, without_end=True)
        # If the refusal wasn't definite, its key is found.
        sweep = {Item(ItemKind.SWEEP, approved.ask.id, approved.attempt): self.transitions.clock() + STRAGGLER}
        working = await self._intend(refused, again, None, event, also=sweep)
        try:
            return await self._create(working)
        except LatchkeyError as error:
            await self._not_made(working, again, error)
            return None

    async def _create(self, working: Stored[Working]) -> Made:
        """Create the key, and before it the account it needs. Raises what `Cloud.create_key` raises."""
        account = await self.accounts.ensure(working.value)
        key, secret = await self.cloud.create_key(new_key(working.value, account))
        key = replace(key, expires_at=in_force(key.expires_at, self.transitions.clock()))
        return Made(working, key, secret)

    async def _none_left(self, approved: Approved) -> None:
        """Make sure that one request leaves at most one key, even if someone put an old record back into the store."""
        orphans = await self.orphans.of(approved)
        # Only what was given up is deleted: this record may be outdated, and a faster process may have a newer key.
        present = [key for key in orphans if attempt_of(key) >= approved.attempt]
        if present:
            raise Refused(f"A key for this request already exists ({present[0].id}).")
        await self.orphans.delete(approved, *orphans)

    async def _intend(
        self,
        stored: Stored[Request],
        approved: Approved,
        expires_at: datetime | None,
        *before: Event,
        also: Mapping[Item, datetime] | None = None,
    ) -> Stored[Working]:
        """Write to disk that a key of this attempt may exist from now on."""
        now = self.transitions.clock()
        working = approved.then(
            Working,
            sent_at=now,
            look_at=now + SENT_FOR,
            expires_at=expires_at,
            without_end=approved.without_end,
            lost_answers=approved.lost_answers,
        )
        used = self.policy().digest
        event = self.transitions.event(Action.CREATE_INTENDED, approved.ask.id, marker=str(working.marker), policy=used)
        # Settled later, whatever becomes of this attempt and of this process.
        later = {**(also or {}), **settlement(working, approved.grant.fresh_until)}
        written, _ = await self.transitions.commit(
            stored, working, *before, event, extra=With(durable=True, also=later)
        )
        return written

    async def _made(self, made: Made, endpoints: Endpoints, second: Ready | None) -> None:
        """Record the key and seal its secret. If that can't be written, the intent remains, and its key is found.

        The `second` key of a pair exists already: both wait for their viewer as long as that one does.
        """
        now, state, key = self.transitions.clock(), made.working.value, made.key
        hard = state.grant.glass.ends_at if state.grant.glass else None
        until = second.claim_by if second else None
        claim_by = earliest(now + to_claim(state.ask, state.terms), key.expires_at, until, hard) or now
        other = OtherKey(second.key, second.endpoints, second.life.probe) if second else None
        life = Life(begin(state.ask.resource.kind, now), other=other)
        ready = state.then(
            Ready, key=key, endpoints=endpoints, claim_by=claim_by, life=life, remind_at=remind_at(now, claim_by)
        )
        event = self.transitions.event(Action.CREATED, state.ask.id, **_about(ready, now))
        extra = With(secret=made.secret, secret_until=claim_by, durable=True)
        try:
            await self.transitions.commit(made.working, ready, event, extra=extra)
        except Conflict:
            await self.orphans.disown(state, key)
            raise
        await self.backstop.learn(made.said)

    async def _not_made(self, working: Stored[Working], approved: Approved, error: LatchkeyError) -> None:
        """What follows if the create failed: the request ends, is reconciled, or is tried again later."""
        match error:
            case CloudRefused():
                happened = f"Confluent Cloud refused to create the key: {error.detail}"
                owner = approved.ask.owner
                offer = error.status == HTTPStatus.FORBIDDEN and isinstance(owner, MyAccount)
                step, changed = _next_step(error, owner), _unchanged(owner)
                await self.fail(working, approved, happened, changed, step, error.reference, offer_account=offer)
            case Unknown():
                doubtful = replace(working.value, look_at=self.transitions.clock(), trouble=error.trouble)
                event = self.transitions.event(Action.CREATE_UNKNOWN, approved.ask.id, marker=str(doubtful.marker))
                await self.transitions.commit(working, doubtful, event)
            case _:
                await self.transitions.later(working, approved, error)

    async def fail(
        self,
        stored: Stored[Request],
        state: Approved | Offered | Working,
        happened: str,
        changed: str,
        step: str,
        ref: str = "",
        *,
        offer_account: bool = False,
    ) -> None:
        """End the request without a key, with sentences for people: the message has a button to request again."""
        now = self.transitions.clock()
        failed = replace(state.fail(now, happened, left_behind(state, changed), step, ref), offer_account=offer_account)
        said = {"happened": happened, "reference": ref, **review_due(failed)}
        event = self.transitions.event(Action.FAILED, state.ask.id, **said)
        await self.transitions.commit(stored, failed, event, extra=With(also=settlement(failed, now)))


def _about(ready: Ready, now: datetime) -> dict[str, str]:
    """What the audit log says about a new key. Its end counts as if the secret was shown now."""
    end = end_of_life(ready.then(Shown, at=now, life=ready.life))
    marker = str(Marker(ready.ask.id, ready.attempt))
    return {"key": ready.key.id, "marker": marker, "ends_at": end.isoformat() if end else "never"}


_QUOTA_CODE = "quota_exceeded"


def _next_step(error: CloudRefused, owner: Owner) -> str:
    if error.status == HTTPStatus.PAYMENT_REQUIRED or error.reason == _QUOTA_CODE:
        return "A Confluent quota is full. Delete an unused key, then request again."
    if error.status == HTTPStatus.BAD_REQUEST and not error.reason:  # some refusals over quota are such, too
        return "A Confluent quota may be full. If so, delete an unused key, then request again."
    if error.status == HTTPStatus.FORBIDDEN:
        if isinstance(owner, MyAccount):
            return "Request a key for a service account instead: Confluent doesn't let Latchkey create personal keys."
        return "Ask your Latchkey administrator: its service account isn't allowed to create this key."
    return ""


def _unchanged(owner: Owner) -> str:
    """What a refusal left at Confluent: a sentence for people."""
    if isinstance(owner, NewServiceAccount):
        return f"No key was created. {ACCOUNT_GOES}"
    return NOTHING_CHANGED


def offered(approved: Approved, now: datetime) -> Offered:
    """The same request, waiting for the requester's click instead of being carried out."""
    claim_by = approved.grant.fresh_until
    return approved.then(
        Offered,
        claim_by=claim_by,
        remind_at=remind_at(now, claim_by),
        trouble=approved.trouble,
        without_end=approved.without_end,
        lost_answers=approved.lost_answers,
    )


def new_key(working: Working, account: ServiceAccount | None) -> NewKey:
    """What Confluent is asked to create, for the new `account` if there is one. Its description has our marker."""
    ask = working.ask
    described = f"{ask.description} {working.marker}".strip()
    return NewKey(account or ask.owner, ask.resource, ask.name, described, working.expires_at)
