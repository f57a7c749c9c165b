"""The rehearsal steps at Confluent Cloud: creates one key of the operator's own account and deletes it again."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from pydantic import Field

from bot.confluent import wire
from bot.confluent.client import item_path
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.inventory import API_KEYS, ROLE_BINDINGS
from bot.connections import World
from bot.domain.errors import CloudRefused, LatchkeyError, NotFound, Refused, Unavailable, Unknown
from bot.domain.keys import ApiKey, Cluster, KeyId, MyAccount, Principal, SlackUserId
from bot.domain.kinds import Kind
from bot.rehearsal.console import Console, ask
from bot.rehearsal.findings import Findings
from bot.services.people.directory import admitted, matched
from bot.services.ports.cloud import NewKey
from bot.slack.api.people import SlackPeople

LASTS = timedelta(days=1)
"""The lifetime requested for the key, if Confluent accepts one."""
CREATED_WITHIN = 25.0
"""Seconds after which an interrupted create won't be answered anymore."""
SPREADS = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each search for a key whose create may have worked."""
NAME = "latchkey-rehearsal"
EPOCH = 1970
"""A year up to this one means a zero value, not a time."""
_NOBODY = Principal("")
_MARKER = re.compile(r"\[lk-rehearsal:[0-9a-f]{16}\]\s*\Z")
_REFUSES_FIELDS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


class _AsSent(wire.Wire):
    """A key in Confluent's own format."""

    spec: dict[str, object] = Field(default_factory=dict[str, object])


def _end(spec: Mapping[str, object]) -> str:
    """The shape of a key's `expires_at`, in a word or two."""
    if "expires_at" not in spec:
        return "absent"
    match spec["expires_at"]:
        case None:
            return "null"
        case str() as text:
            is_zero = text[:4].isdigit() and int(text[:4]) <= EPOCH
            return "zero value" if is_zero else "a time" if text else "empty string"
        case _:
            return "number"


@dataclass(slots=True)
class ConfluentSteps:
    """The steps in order. Call `leave_nothing` at the end, whatever happened."""

    world: World
    named: Mapping[SlackUserId, Principal]
    console: Console
    findings: Findings
    seconds: float
    cluster: Cluster
    mark: str
    """Hexadecimal digits that identify this run's key."""
    _owner: Principal = _NOBODY
    """The owner of the key; "" while there is no key to delete."""
    _creating: "asyncio.Task[ApiKey] | None" = None
    _key: KeyId | None = None
    _end: datetime | None = None
    failures: list[str] = field(default_factory=list[str])

    @property
    def marker(self) -> str:
        """The end of the key's description."""
        return f"[lk-rehearsal:{self.mark}]"

    def all(self, operator: Callable[[], str]) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Every step and its title, in order. `operator` returns the operator's Slack ID, or ""."""
        return [
            ("Latchkey's own key", self.own_key),
            ("Lists of role bindings", self.bindings),
            ("One key for your own account", lambda: self.key_of(operator())),
        ]

    async def own_key(self) -> None:
        """Read the key that Latchkey itself uses."""
        own = KeyId(self.world.client.key)
        by_id = await self.world.cloud.key(own) is not None
        self.findings.note("confluent.own-key", by_id=by_id)
        if by_id:
            end = _end((await self.world.client.get(item_path(API_KEYS, own), _AsSent)).spec)
            self.findings.note("confluent.own-key", expires_at=end)
            if end != "a time":  # a key that expires settles nothing
                self.findings.judge("confluent.zero-expiry", end not in {"absent", "null"})
        try:
            await self.world.cloud.own_account()
        except Unavailable:
            self.findings.judge("confluent.own-account", claim_holds=False, handled=False)
        else:
            self.findings.judge("confluent.own-account", claim_holds=True)

    async def bindings(self) -> None:
        """Find out whether a pattern for everything below a place also lists the place itself."""
        crn = f"crn://confluent.cloud/organization={await self.world.cloud.organization()}"
        who = {"principal": f"User:{await self.world.cloud.own_account()}"}
        at = [
            row
            async for row in self.world.client.list_all(ROLE_BINDINGS, wire.RoleBinding, {"crn_pattern": crn, **who})
        ]
        below = self.world.client.list_all(ROLE_BINDINGS, wire.RoleBinding, {"crn_pattern": f"{crn}/*", **who})
        places = [row.crn_pattern async for row in below]
        self.findings.note("confluent.bindings", at=len(at), below=len(places))
        if any(row.crn_pattern == crn for row in at):  # otherwise nothing could be listed twice
            self.findings.judge("confluent.bindings-below", crn in places)

    async def key_of(self, operator: str) -> None:
        """Create a key of this person's account, read it, list it, and delete it."""
        if not operator:
            self.console.say("  You never typed the command, so Latchkey doesn't know your account. No key is created.")
            return
        try:
            owner = await self._account(operator)
        except Refused as refused:
            self.console.say(f"No Confluent user is matched to you, so no key is created. {refused}")
            return
        place = f"{self.cluster.name} ({self.cluster.environment}/{self.cluster.id})"
        question = f"Create an API key for your own account {owner} on {place}, and delete it right away?"
        if not await ask(self.console, question, self.seconds):
            self.console.say("  No key is created.")
            return
        self._owner = owner
        key = await self._created()
        if key is None:
            return
        await self._read_back(key)
        await self._deleted(key.id)

    async def leave_nothing(self) -> None:
        """Delete this run's key. If its create had no clear answer, find it by its marker."""
        if not self._owner:
            return
        if self._creating is not None:
            await asyncio.wait({self._creating}, timeout=CREATED_WITHIN)
        found = {self._key} if self._key else set[KeyId]()
        try:
            found |= await self._listed() if self._key else await self._lost()
            if not found and self._is_unclear:
                self.console.say(
                    "Confluent Cloud gave no clear answer to the create, and lists no such key. If one shows up later, "
                    f"its description ends with {self.marker}. The next `latchkey rehearse` offers to delete it."
                )
            for key in found:
                await self._delete(key)
        except LatchkeyError:
            self._tell_how(*found)

    async def _account(self, operator: str) -> Principal:
        found = await SlackPeople(self.world.slack).profile(SlackUserId(operator))
        profile = admitted(found, self.world.workspace.tenant)
        return matched(profile, await self.world.cloud.users(), self.named).principal

    async def _created(self) -> ApiKey | None:
        """Create the key. Returns None if Confluent refuses; raises `Unknown` if the answer is lost."""
        refuses_end = False
        try:
            try:
                key = await self._create(with_end=True)
            except CloudRefused as refused:
                if refused.status not in _REFUSES_FIELDS:
                    raise
                key, refuses_end = await self._create(with_end=False), True
        except CloudRefused as refused:
            self._owner = _NOBODY  # a refusal is definite: nothing was created
            self.findings.note("confluent.key-for-user", status=refused.status)
            if refused.status == HTTPStatus.FORBIDDEN:
                self.findings.judge("confluent.keys-for-users", claim_holds=False)
            self.console.say(f"  Confluent refused to create the key ({refused.status}). Nothing was created.")
            return None
        self.findings.judge("confluent.keys-for-users", claim_holds=True)
        answer = "refused" if refuses_end else "honored" if key.expires_at else "ignored"
        self.findings.note("confluent.expires-at", answer=answer)
        self.findings.judge("confluent.expires-at", answer == "honored")
        return key

    async def _create(self, *, with_end: bool) -> ApiKey:
        end = (self.world.clock() + LASTS).replace(microsecond=0) if with_end else None
        description = f"Created by latchkey rehearse, safe to delete {self.marker}"
        self._end = end
        new = NewKey(MyAccount(self._owner), self.cluster, NAME, description, end)
        self._creating = asyncio.create_task(self._post(new))
        return await asyncio.shield(self._creating)  # an interruption must not lose the answer

    async def _post(self, new: NewKey) -> ApiKey:
        key, _ = await self.world.cloud.create_key(new)
        self._key = key.id
        return key

    async def _read_back(self, key: ApiKey) -> None:
        read = await self.world.cloud.key(key.id)
        listed = key.id in await self._listed()
        self.findings.note("confluent.key-for-user", by_id=read is not None, listed=listed)
        self.findings.judge("confluent.key-reads-back", read is not None and listed, handled=listed)
        if read is not None:
            self.findings.note("confluent.expires-at", read_back=read.expires_at is not None)
            if read.expires_at is not None and self._end is not None:
                self.findings.judge("confluent.expiry-rounded", read.expires_at != self._end)

    async def _deleted(self, key: KeyId) -> None:
        await self._delete(key)
        try:
            await self.world.client.get(item_path(API_KEYS, key), wire.ApiKey)
        except CloudRefused as refused:
            self.findings.note("confluent.key-absent", status=refused.status)
            self.findings.judge("confluent.gone-is-403", refused.status == HTTPStatus.FORBIDDEN)
        else:
            self.findings.note("confluent.key-absent", status=HTTPStatus.OK.value)

    async def _delete(self, key: KeyId) -> None:
        """Delete a key, and check that it's no longer listed."""
        await self.world.cloud.delete_key(key, self._owner, self.cluster)
        if key in {each.id for each in await self.world.cloud.keys(self._owner, self.cluster)}:
            self._tell_how(key)
            return
        self._key = None
        self.console.say(f"  The test key {key} is deleted, and no longer in the list.")

    async def _listed(self) -> set[KeyId]:
        """The IDs of this run's keys that Confluent lists."""
        keys = await self.world.cloud.keys(self._owner, self.cluster)
        return {each.id for each in keys if each.description.rstrip().endswith(self.marker)}

    @property
    def _is_unclear(self) -> bool:
        """Whether a create was sent and its outcome is unknown."""
        creating = self._creating
        return creating is not None and (not creating.done() or isinstance(creating.exception(), Unknown))

    async def _lost(self) -> set[KeyId]:
        """This run's keys. If the create had no answer, its key may appear late, so it looks several times."""
        for pause in SPREADS if self._is_unclear else SPREADS[:1]:
            await asyncio.sleep(pause)
            if found := await self._listed():
                return found
        return set()

    def _tell_how(self, *keys: KeyId) -> None:
        which = ", ".join(keys) or f"the one whose description ends with {self.marker}, if there is one"
        self.failures.append("key")
        self.console.say(
            f"The test key couldn't be deleted: {which}. Delete it yourself: `confluent api-key delete KEY`, or in the "
            "Confluent Cloud Console under API keys. The next `latchkey rehearse` offers to delete it, too."
        )


async def sweep(cloud: ConfluentCloud, console: Console, seconds: float) -> None:
    """Offer to delete keys that earlier rehearsals left behind."""
    try:
        found = await _left_behind(cloud)
    except LatchkeyError:
        console.say("Confluent Cloud didn't list its keys, so keys of earlier rehearsals were not looked for.")
        return
    for key in found:
        if key.owner is None or not await ask(
            console, f"Key {key.id} is left over from a rehearsal. Delete it?", seconds
        ):
            continue
        try:
            await cloud.delete_key(key.id, key.owner, Cluster(Kind.KAFKA, key.resource, "", key.environment, ""))
        except LatchkeyError:
            console.say(f"Key {key.id} couldn't be deleted. Delete it in the Confluent Cloud Console.")
        else:
            console.say(f"  Key {key.id} is deleted.")


async def _left_behind(cloud: ConfluentCloud) -> list[ApiKey]:
    found, token = dict[KeyId, ApiKey](), ""
    while True:
        try:
            keys, token = await cloud.key_page(token)
        except NotFound:  # the page token has expired: offer what was found so far
            break
        found |= {each.id: each for each in keys if each.name == NAME and _MARKER.search(each.description)}
        if not token:
            break
    return list(found.values())
