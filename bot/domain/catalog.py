"""What can be chosen at Confluent: environments, resources, service accounts, users. Read often, and cached."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from bot.domain.keys import Placed, Principal, ServiceAccount
from bot.domain.kinds import Kind


@dataclass(frozen=True, slots=True)
class Environment:
    """A Confluent environment."""

    id: str
    name: str


def is_environment_id(word: str) -> bool:
    """Whether a word of the policy is the ID of an environment. Anything else is a name, with `*` as a wildcard."""
    return word.startswith("env-")


def is_called(name: str, wanted: str) -> bool:
    """Whether `wanted` means an environment of this name, in exactly this case; `*` stands for any text, even none."""
    start, *rest = wanted.split("*")
    if not rest:
        return name == wanted
    *parts, end = rest
    at, stop = len(start), len(name) - len(end)
    if at > stop or not name.startswith(start) or not name.endswith(end):
        return False
    for part in parts:
        found = name.find(part, at, stop)
        if found < 0:
            return False
        at = found + len(part)
    return True


def called(environments: Iterable[Environment]) -> dict[str, str]:
    """The names of environments by ID, without those that have no name of their own."""
    return {each.id: each.name for each in environments if each.name not in {"", each.id}}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where clients find a resource; "" if Confluent named no such address."""

    bootstrap: str
    """Of a Kafka cluster, without a scheme."""
    rest: str
    """Where HTTP clients connect: Kafka's REST API, Schema Registry, ksqlDB, Flink, or Confluent's own API."""
    is_private: bool = False
    """Whether Confluent named only addresses inside a private network."""
    organization: str = ""
    """The organization's id, which Flink's and Cloud's clients need."""
    is_paused: bool = False
    """Whether nothing answers there until someone resumes it. ksqlDB clusters can be paused."""
    lacks_roles: bool = False
    """Whether roles on topics and consumer groups don't work there, as in Basic clusters."""


@dataclass(frozen=True, slots=True)
class Region:
    """A region in which Confluent offers Flink. `id` is `aws.us-east-1`, `cloud` is in capitals."""

    id: str
    cloud: str
    name: str


@dataclass(frozen=True, slots=True)
class Account:
    """A service account with its description, which may end with our marker."""

    id: Principal
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit that Confluent applies. `usage` is None if Confluent doesn't tell."""

    code: str
    """Such as `iam.max_cloud_api_keys.per_user`."""
    name: str
    limit: int
    usage: int | None
    of: str = ""
    """The id of the user, service account, environment or cluster that it limits; "" is the organization."""


@dataclass(frozen=True, slots=True)
class User:
    """A Confluent user. `email` is normalized, "" if Confluent sent none."""

    id: Principal
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """One reading of everything that the form offers, each list sorted by name."""

    organization: str
    environments: tuple[Environment, ...]
    service_accounts: tuple[ServiceAccount, ...]
    resources: Mapping[Kind, tuple[Placed, ...]] = field(default_factory=dict[Kind, tuple[Placed, ...]])
    """What the environments contain, by kind; for Flink, the regions with a compute pool."""
    regions: tuple[Region, ...] = ()
    """All regions in which Confluent offers Flink."""
    unread: frozenset[Kind] = field(default=frozenset(), compare=False)
    """The kinds for which a list couldn't be read, so that resources may be missing."""

    def clusters(self) -> Iterator[Placed]:
        """All resources with ids of their own, which regions don't have."""
        return (each for kind, found in self.resources.items() if not kind.row.is_regional for each in found)


NamedT = TypeVar("NamedT", bound=Environment | Placed | ServiceAccount | User)


def by_name(items: Iterable[NamedT]) -> tuple[NamedT, ...]:
    """The items in the order in which people look for a name."""
    return tuple(sorted(items, key=lambda item: (item.name.casefold(), item.id)))
