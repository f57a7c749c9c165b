"""Who could approve a request, for pages and messages, and which of them are told of it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.domain.authority import Target
from bot.domain.conditions import Conditions, Member
from bot.domain.keys import Person, Principal, RequestId, SlackUserId
from bot.domain.policy import Policy
from bot.services.people.approvers import Approvers, in_short, names_of
from bot.services.people.directory import DISPLAY
from bot.services.ports.store import Cache, Clock

MOST_MET = 30
"""How many people with a role are looked up in Slack, which allows 50 such calls a minute."""
MOST_TOLD = 5
"""How many people are told about a request whose rule names no one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Someone who could approve, and the right that lets them, in words."""

    slack: SlackUserId | None
    """None for one of very many, who wasn't looked up in Slack."""
    principal: Principal
    basis: str
    name: str = ""
    distance: int = 0
    """How far what gives the right is from the key: see `authority.distance`."""
    groups: tuple[str, ...] = ()
    """The user groups that this person is in, among those that the conditions name."""

    @property
    def member(self) -> Member:
        """This person, as conditions see them."""
        return Member(self.slack or f"?{self.principal}", frozenset(self.groups))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Reads who could approve. The decision itself is made elsewhere, from fresh reads, when someone clicks."""

    policy: Callable[[], Policy]
    cache: Cache
    clock: Clock
    approvers: Callable[[Policy], Approvers]
    remembered: Callable[[Policy], Approvers]
    """The same, with Slack users up to `remembered.KEPT` old."""

    async def of(
        self, target: Target, requester: Person, conditions: Conditions = (), *, fresh: bool = False
    ) -> Sequence[Candidate]:
        """Everyone except the requester who could approve now under these conditions, those closest to the key first.

        Unless `fresh`, the answer may be a minute old. Raises `Unavailable` for a user group that can't be read.
        """
        ids = "+".join(each.id for each in target.resources)
        place = f"{target.resource.kind}:{target.resource.environment}:{ids}"
        asked = _digest(
            (
                sorted(f"{each.role} {each.scope}" for each in target.bindings),
                _said_of_people(self.policy()),
                conditions,
            )
        )
        name = f"approvers:{place}:{target.owner.id}:{requester.principal}:{asked}"
        cached = None if fresh else await self.cache.get(name, tuple[Candidate, ...])
        return cached[0] if cached else await self._read(target, requester, conditions, name, fresh=fresh)

    async def _read(
        self, target: Target, requester: Person, conditions: Conditions, name: str, *, fresh: bool
    ) -> tuple[Candidate, ...]:
        names, approvers = names_of(target), (self.approvers if fresh else self.remembered)(self.policy())
        everyone = await approvers.of(target, requester, conditions, most=MOST_MET)
        able = [each for each in everyone if not each.someone.refusal]
        found = tuple(
            Candidate(
                each.someone.slack,
                each.someone.person.principal,
                in_short(each.bindings, names),
                each.someone.person.name,
                each.distance,
                each.groups,
            )
            for each in sorted(able, key=lambda each: each.distance)
        )
        await self.cache.put(name, found, tuple[Candidate, ...], now=self.clock(), keep=DISPLAY)
        return found


def closest(candidates: Sequence[Candidate], request: RequestId, most: int = MOST_TOLD) -> Sequence[Candidate]:
    """Those in Slack whose right is closest to the key, at most `most`, in the order of `candidates`.

    Among people who are equally close, the choice depends on the request, so that the same few aren't told about all of
    them. A request's review page and card name the same people.
    """

    def turn(each: Candidate) -> tuple[int, str]:
        return each.distance, hashlib.sha256(f"{request} {each.principal}".encode()).hexdigest()

    reachable = [each for each in candidates if each.slack is not None]
    chosen = sorted(reachable, key=turn)[:most]
    return [each for each in reachable if each in chosen]


def _said_of_people(policy: Policy) -> object:
    """Everything that the policy says about people and roles."""
    table = (policy.table.name, sorted(policy.table.creates_accounts), policy.table.people_only)
    return table, policy.mappings, sorted(policy.people.items())


def _digest(said: object) -> str:
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]
