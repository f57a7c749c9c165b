"""What the policy's rule says about a request, each approval on these terms, and what enough of them give.

Break-glass takes the place of approvals, for people whom a rule names. A use is part of the grant, so whatever writes
its request keeps it. It's open until someone else, who could have approved the request, says whether it was justified.
The audit log knows whose uses are open, and until then takes no second use by the same Confluent user.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from urllib.parse import quote

from bot.domain.access import GivenBinding
from bot.domain.conditions import Conditions, Member, both
from bot.domain.keys import Person, SlackUserId

REVIEW_WITHIN = timedelta(days=3)
"""How long people have to review a use."""
GLASS_ROUNDS = (timedelta(), timedelta(days=1), timedelta(days=2), REVIEW_WITHIN)
"""When people are told about a use and reminded of its review, counted from the use."""
OVERDUE = len(GLASS_ROUNDS) - 1
"""The round from which on the review is overdue, and the channels are told, too."""
OVERDUE_EVERY = timedelta(days=7)
"""How often people are reminded after that."""
TELL_AGAIN = timedelta(minutes=1)
"""When to look again for the people to tell, if they couldn't be looked up."""
LONGEST_GLASS = timedelta(days=1)
"""The longest lifetime that a rule can give such a key."""
GLASS_MARGIN = timedelta(minutes=10)
"""How long after Latchkey's own end Confluent is to end such a key: no extension needs room."""
Judgment: TypeAlias = Literal["justified", "not justified"]
NOBODY = ("none",)
"""`Terms.notify` of a rule that tells no one."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a rule says about the ticket that a request names."""

    pattern: str
    """What the whole name has to match, as written in the policy file."""
    url: str = ""
    """The address of a ticket, with `{ticket}` in place of its name; "" for none."""
    required: bool = False
    example: str = field(default="", compare=False)
    """A ticket for people to go by, instead of the pattern; "" for none. Another one changes nothing in a request."""

    def link(self, name: str) -> str:
        """The address of the ticket with this name, which is quoted; "" for none."""
        return self.url.replace("{ticket}", quote(name, safe=""))


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy's rule says about one request."""

    rule: str
    approvals: int
    """How many distinct people must approve."""
    channel: str
    """The id of the Slack channel for the card."""
    pending: timedelta
    """How long people have to decide."""
    claim: timedelta
    """How long the requester has to take the secret, and the approval stays fresh, both from when they began."""
    remind: tuple[timedelta, ...] = ()
    notify: tuple[str, ...] = ()
    """Slack IDs of user groups and people to notify; () means the people closest to the resource, and `NOBODY` means
    no one."""
    lifetime: timedelta | None = None
    mint: Literal["on_approval", "on_claim"] = "on_approval"
    table: str = "documented"
    """The version of the role table, a key of `roles.TABLES`."""
    overlap: timedelta = timedelta(days=7)
    """The longest time that a rotated key is kept once the secret of the new one was shown; 0 for none."""
    risk: Literal["", "high", "normal"] = ""
    """What the rule says of the risk: see `is_high_risk`."""
    ticket: Ticket | None = None
    confirm: Literal["", "resource"] = ""
    """What approvers type before they approve: the name of the resource, or nothing."""
    approvers: Conditions = ()
    """Further conditions on who approves."""

    def within(self, limits: "Terms") -> "Terms":
        """These terms, or those of `limits` where they are stricter."""
        lifetimes = [each for each in (self.lifetime, limits.lifetime) if each is not None]
        return replace(
            self,
            approvals=max(self.approvals, limits.approvals),
            lifetime=min(lifetimes, default=None),
            overlap=min(self.overlap, limits.overlap),
            risk="high" if "high" in {self.risk, limits.risk} else self.risk,
            confirm=self.confirm or limits.confirm,
            approvers=both(self.approvers, limits.approvers),
        )

    def with_those_of(self, other: "Terms") -> "Terms":
        """The terms of a request under two rules: where they differ the stricter ones, else the first rule's.

        Everyone whom either rule names is told. The card goes to the channel of the first one.
        """
        named = dict.fromkeys(each for each in (*self.notify, *other.notify) if each not in NOBODY)
        return replace(
            self.within(other),
            rule=self.rule if self.rule == other.rule else f"{self.rule} + {other.rule}",
            pending=min(self.pending, other.pending),
            claim=min(self.claim, other.claim),
            notify=tuple(named) or self.notify,
            mint="on_claim" if "on_claim" in {self.mint, other.mint} else self.mint,
            ticket=self.ticket or other.ticket,
        )


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval of exactly one ask."""

    by: Person
    basis: str
    """The role that gave the authority, in words."""
    at: datetime
    digest: str
    told: Literal["", "thread", "direct"] = ""
    """Where this person reads that no key came of the request: below its card, or, if they aren't in the channel, in a
    direct message. "" is nowhere: for requests of an older version, it's too late to tell anyone."""
    groups: tuple[str, ...] = ()
    """The user groups that this person was in, among those that the conditions of its terms name."""

    @property
    def member(self) -> Member:
        """This person, as the conditions see them."""
        return Member(self.by.slack, frozenset(self.groups))


@dataclass(frozen=True, slots=True)
class GlassReview:
    """What the reviewer said about a use."""

    outcome: Judgment
    by: Person
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class GlassUse:
    """One use of break-glass."""

    why: str
    """Why it can't wait, as it was typed."""
    at: datetime
    ends_at: datetime
    """When the key ends, however it's replaced or extended."""
    notify: tuple[str, ...] = ()
    """Slack ids of channels (C…, G…), people and user groups that the rule names, when it was used."""
    told: tuple[str, ...] = ()
    """Who gets a message of their own: Slack IDs of people and channels, as `ID:ROUND`."""
    rounds: int = 0
    """The next round of `GLASS_ROUNDS`, then one every `OVERDUE_EVERY`."""
    next_round: datetime | None = None
    review: GlassReview | None = None
    made: bool = False
    """Whether an attempt before the present one created a key, or may have: then the use is reviewed in any case."""

    @property
    def review_by(self) -> datetime:
        """When the review is overdue."""
        return self.at + REVIEW_WITHIN

    def due(self, rounds: int) -> datetime:
        """When this round is due."""
        after = GLASS_ROUNDS[rounds] if rounds <= OVERDUE else REVIEW_WITHIN + (rounds - OVERDUE) * OVERDUE_EVERY
        return self.at + after

    @property
    def readers(self) -> tuple[tuple[str, int], ...]:
        """The people and channels in `told`, each with the number of its round."""
        told = (each.rpartition(":") for each in self.told)
        return tuple((reader, int(number)) for reader, _, number in told)


@dataclass(frozen=True, slots=True)
class Grant:
    """What enough approvals give: the right to create one key until `fresh_until`."""

    approvals: tuple[Approval, ...]
    at: datetime
    fresh_until: datetime
    replaced_at: datetime | None = None
    """When the key that a rotation replaces was deleted, if that was before the present one was created."""
    told: tuple[SlackUserId, ...] | None = None
    """The owners of the service account who are told what was done to its key without an approval. None where nothing
    is told beyond the requester: of any other request, and of what an older version wrote."""
    bindings: tuple[GivenBinding, ...] = ()
    """What became of each role binding that was requested; () before the first is tried."""
    glass: GlassUse | None = None
    """The use of break-glass that took the place of approvals."""

    def of_next_attempt(self) -> "Grant":
        """The grant of another attempt, after one that created a key or may have."""
        return replace(self, glass=replace(self.glass, made=True)) if self.glass else self

    @property
    def to_review(self) -> GlassUse | None:
        """The use of break-glass, if it has to be reviewed even though the present attempt creates no key."""
        return self.glass if self.glass and self.glass.made else None

    @property
    def is_unreviewed(self) -> bool:
        """Whether this is a use of break-glass that waits for its review: its key is not replaced before that."""
        return self.glass is not None and self.glass.review is None
