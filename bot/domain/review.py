"""The regular review of keys: which ones someone should look at again, and why. Pure values.

Confluent's page about API keys says why: unused keys are a risk, and count toward the organization's limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

from bot.domain.catalog import Quota
from bot.domain.keys import ApiKey, KeyId, Owner, Resource, SlackUserId
from bot.domain.policy import NEAR_LIMIT

OFFERED = 90
"""Keys in one message that can be reviewed or kept from it: as many as one modal has room for."""


IN_CHANNEL = 3
"""Accounts that the review's channel is asked about in one pass: people wouldn't read more in a row."""


class Finding(StrEnum):
    """Why a key is listed. Stored with kept keys: never rename one."""

    ORPHANED = "orphaned"
    """Its owner no longer exists."""
    FOREIGN = "foreign"
    """No request of Latchkey created it."""
    OLD = "old"
    """It is older than the policy's age."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Someone's decision to keep a key, and why. The review doesn't ask again until it ends."""

    key: KeyId
    by: SlackUserId
    reason: str
    at: datetime
    until: datetime
    orphaned: bool = False
    """Whether its owner was gone at that time: if the owner leaves later, the review asks again."""

    def answers(self, found: tuple[Finding, ...], now: datetime) -> bool:
        """Whether this still covers what was found."""
        return now < self.until and (self.orphaned or Finding.ORPHANED not in found)


@dataclass(frozen=True, slots=True)
class Listed:
    """A key to review. Its description is without our marker; `resource` is None for one that Latchkey doesn't know."""

    key: ApiKey
    resource: Resource | None
    findings: tuple[Finding, ...]
    ends_at: datetime | None = None
    """When it expires, by Latchkey or at Confluent; None is never."""


Audience: TypeAlias = Literal["owner", "account-owner", "requester", "channel"]
"""Who reads a digest: the user who owns the keys, an owner of the service account, the person who requested the keys,
or the review's channel if none of these can be reached."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What one reader is asked about the keys of one owner; `owner` None is the organization, with quotas alone."""

    owner: Owner | None
    audience: Audience
    at: datetime
    older_than: timedelta
    owner_name: str = ""
    """The name of the user who owns the keys; "" if it's unknown."""
    keys: tuple[Listed, ...] = ()
    """The most urgent ones first."""
    kept: tuple[Attestation, ...] = ()
    """The answers since the message was sent."""
    quotas: tuple[Quota, ...] = ()
    """Limits that are nearly reached, each with its use."""
    is_baseline: bool = False
    """Whether all these keys existed before Latchkey, and nobody has been asked about them yet."""
    names: Mapping[KeyId, str] = field(default_factory=dict[KeyId, str])
    """The names of the kept keys."""
    owners: tuple[str, ...] = ()
    """The names of the account's owners in Slack, who weren't asked because their role doesn't cover these keys."""

    def is_older_than(self, beginning: datetime | None) -> bool:
        """Whether all of these keys existed at this moment, weren't created by Latchkey, and still have an owner."""
        if beginning is None or not self.keys:
            return False
        return all(_is_inherited(listed, beginning) for listed in self.keys)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do about it."""
        return not self.keys and not self.quotas


@dataclass(frozen=True, slots=True)
class Backlog:
    """Accounts whose owners can't be reached, and which the channel is asked about in a later pass."""

    accounts: int
    next_at: datetime
    """When the channel is asked about the next of them."""


def together(digests: Sequence[Digest]) -> Digest:
    """One digest for the channel instead of these, with each key once. Raises ValueError if there are none."""
    if not digests:
        raise ValueError("no digest to show")
    keys = {listed.key.id: listed for digest in digests for listed in digest.keys}
    kept = {answer.key: answer for digest in digests for answer in digest.kept}
    quotas = dict.fromkeys(quota for digest in digests for quota in digest.quotas)
    is_reached = all(digest.audience == "channel" for digest in digests)
    return replace(
        digests[0],
        audience="channel",
        keys=tuple(sorted(keys.values(), key=urgency)),
        kept=tuple(sorted(kept.values(), key=lambda answer: answer.at)),
        quotas=tuple(quotas),
        names={key: name for digest in digests for key, name in digest.names.items()},
        owners=digests[0].owners if is_reached else (),
    )


def findings(
    key: ApiKey, *, is_orphaned: bool, is_managed: bool, now: datetime, older_than: timedelta
) -> tuple[Finding, ...]:
    """Why someone should look at this key; empty if nobody needs to."""
    is_old = key.created_at is not None and now - key.created_at >= older_than
    said = ((Finding.ORPHANED, is_orphaned), (Finding.FOREIGN, not is_managed), (Finding.OLD, is_old))
    return tuple(finding for finding, holds in said if holds)


def _is_inherited(listed: Listed, beginning: datetime) -> bool:
    created, why = listed.key.created_at, listed.findings
    is_earlier = created is not None and created <= beginning
    return is_earlier and Finding.FOREIGN in why and Finding.ORPHANED not in why


def is_near(quota: Quota) -> bool:
    """Whether a limit is nearly reached, as far as its use is known. A negative limit is none."""
    return quota.usage is not None and quota.limit >= 0 and quota.usage >= quota.limit * NEAR_LIMIT


def urgency(listed: Listed) -> tuple[bool, float, str]:
    """Sorts keys: those without an owner first, then the oldest."""
    made = listed.key.created_at
    return Finding.ORPHANED not in listed.findings, made.timestamp() if made else 0.0, listed.key.id
