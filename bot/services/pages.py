"""What a modal or the one message with the secret has to show, as domain values; `bot.slack` draws them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from bot.domain.catalog import Endpoints, Environment
from bot.domain.keys import ApiKey, KafkaCluster, Owner, RequestId, Resource, Secret, ServiceAccount
from bot.domain.requests import Terms
from bot.services.clicks import Draft


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything the one message with the secret holds."""

    request: RequestId
    attempt: int
    key: ApiKey
    secret: Secret
    owner: Owner
    resource: Resource
    endpoints: Endpoints
    replace_until: datetime


@dataclass(frozen=True, slots=True)
class FormPage:
    """The form, filled with `draft`; `problems` are sentences under the fields of those names.

    The rest is what the chosen ids stand for, where it is known.
    """

    draft: Draft
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Environment | None = None
    cluster: KafkaCluster | None = None
    account: ServiceAccount | None = None
    own_account: bool = True
    """Whether people may choose their own account."""


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """What will be asked. `warnings` are sentences that the requester should read before sending."""

    draft_id: str
    draft: Draft
    owner: Owner
    resource: Resource
    terms: Terms
    approvers: Mapping[str, int]
    """How many people could approve, by what gives them the right."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextPage:
    """A page that only says something.

    `back` is a stored draft that its button leads back to; `typed` is what somebody wrote in vain, to be copied.
    """

    title: str
    text: str
    back: str = ""
    typed: str = ""


Page: TypeAlias = FormPage | ReviewPage | TextPage
