"""What is asked for, on which terms, and the approvals that were given: what every state of a request carries."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Literal

from bot.domain.keys import ApiKey, Operation, Owner, Person, RequestId, Resource


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants which key, for whom, and why. Text is exactly as it was typed."""

    id: RequestId
    requester: Person
    operation: Operation
    owner: Owner
    resource: Resource
    name: str
    description: str
    reason: str
    asked_at: datetime
    key: ApiKey | None = None
    """The key that is rotated, edited, deleted or extended, as it was when this was asked."""
    lifetime: timedelta | None = None
    """How long the key should live from its creation, or its extension; None is as long as the rule lets it."""
    overlap: timedelta = timedelta()
    """How long a rotated key lives on once the secret of the new one was shown."""

    @property
    def makes_key(self) -> bool:
        """Whether a new key comes of it, with a secret to show; else something happens to `key`."""
        return self.operation in {Operation.CREATE, Operation.ROTATE}

    def digest(self) -> str:
        """SHA-256 of everything asked, in hexadecimal: an approval holds for this digest alone."""
        said = asdict(self)
        for field in _LATER_FIELDS:  # so that approvals given before there were these fields still hold
            if said[field.name] == field.default:
                del said[field.name]
        if self.key is not None:
            said["key"] = {"id": self.key.id, "name": self.key.name, "description": self.key.description}
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


_LATER_FIELDS = tuple(field for field in fields(Ask) if field.name in {"key", "lifetime", "overlap"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy's rule says about this request."""

    rule: str
    approvals: int
    """How many distinct people must approve."""
    channel: str
    """Id of the Slack channel where the card goes."""
    pending: timedelta
    """How long people have to decide."""
    claim: timedelta
    """How long the requester has to take the secret, and the approval stays fresh, both from when they began."""
    remind: tuple[timedelta, ...] = ()
    notify: tuple[str, ...] = ()
    lifetime: timedelta | None = None
    mint: Literal["on_approval", "on_claim"] = "on_approval"
    table: str = "documented"
    """The version of the role table, by its name in `roles.TABLES`."""
    overlap: timedelta = timedelta(days=7)
    """The longest that a rotated key may live on once the secret of the new one was shown; 0 is not at all."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to exactly one ask."""

    by: Person
    basis: str
    """The role that gave the authority, in words."""
    at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What enough approvals gave: the right to make one key until `fresh_until`."""

    approvals: tuple[Approval, ...]
    at: datetime
    fresh_until: datetime
    replaced_at: datetime | None = None
    """When the key that a rotation replaces was deleted, if it was before the present one was made."""
