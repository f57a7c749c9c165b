"""What the account of a key can do: what it can do already, and the role bindings that come with the key.

A role binding has no text that could carry a marker: it's a principal, a role and a place. Latchkey knows its own from
the journal in the request, `Granted.grant.bindings`: it says that a binding didn't exist when Latchkey set out to
create it, and which ID Confluent gave it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from bot.domain.keys import Operation, Path, Principal, Resource
from bot.domain.kinds import Kind
from bot.domain.roles import Scope

MOST = 10
"""How many role bindings one request may ask for."""
LONGEST_NAME = 249
"""Characters of a Kafka topic's name. Other names have the same limit."""
EVERYTHING = "*"
"""The pattern that matches every name."""
On: TypeAlias = Literal["topic", "group", "transactional-id", "subject", "environment"]
"""What a role is bound to, by its element in CRNs."""
ROLES_ON: Mapping[On, frozenset[str]] = {
    "topic": frozenset({"DeveloperManage", "DeveloperRead", "DeveloperWrite"}),
    "group": frozenset({"DeveloperManage", "DeveloperRead"}),
    "transactional-id": frozenset({"DeveloperManage", "DeveloperRead", "DeveloperWrite"}),
    "subject": frozenset({"DeveloperManage", "DeveloperRead", "DeveloperWrite"}),
    "environment": frozenset({"FlinkDeveloper"}),
}
"""The roles that can be offered. None of them lets its holder grant roles to others."""
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}")
_SEPARATED = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class WantedBinding:
    """A role at a place inside the organization, for the account of the key."""

    role: str
    scope: str
    """A path below the organization, as in a CRN: `environment=env-1/schema-registry=lsrc-1/subject=orders-*`."""

    def crn(self, organization: str) -> str:
        """The place in the form that Confluent's API takes."""
        return f"crn://confluent.cloud/organization={organization}/{self.scope}"

    @property
    def path(self) -> Path:
        """The place in the form of `roles.Scope`, without the cluster's second name."""
        return Scope.parse(self.crn("-")).path

    @property
    def on(self) -> str:
        """What it's bound to, such as "topic": the last element of the place."""
        return self.path[-1][0]

    @property
    def name(self) -> str:
        """The name or pattern that it is bound to."""
        return self.path[-1][1]

    @property
    def is_for_everything(self) -> bool:
        """Whether it covers everything that exists or ever will, by a pattern that matches every name."""
        return self.name == EVERYTHING

    @property
    def is_prefix(self) -> bool:
        """Whether the name is a prefix."""
        return self.name.endswith(EVERYTHING)


State: TypeAlias = Literal["planned", "existed", "intended", "given", "unwanted", "removed", "kept"]


@dataclass(frozen=True, slots=True)
class GivenBinding:
    """What became of a role binding that was requested."""

    wanted: WantedBinding
    state: State = "planned"
    """`planned`: nothing was tried. `existed`: it existed before, so it's never deleted. `intended`: it didn't exist,
    and may now. `given`: Latchkey created it. `unwanted`: the same, but it's to be deleted. `removed`: it's gone.
    `kept`: it was also requested with another key, and now belongs to that one's request."""
    principal: Principal | None = None
    """The account, once it exists."""
    id: str = ""
    """Confluent's id for it, once it's known."""
    at: datetime | None = None
    """When Latchkey last tried to create it."""
    tries: int = 0
    """How often Latchkey tried, counted before each try."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do before the key is created."""
        return self.state not in {"planned", "intended"}


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry of the policy's list of access that can be requested."""

    name: str
    role: str
    on: On
    prefix: bool = False
    """Whether people type a prefix rather than a name."""

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that identify the entry in a form. A changed entry has others."""
        said = "\n".join((self.name, self.role, self.on, str(self.prefix)))
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    @property
    def kind(self) -> Kind:
        """The kind of key that it goes with."""
        return next(kind for kind in Kind if self.on in kind.row.parts)

    @property
    def takes_name(self) -> bool:
        """Whether a name has to be typed."""
        return self.on != "environment"

    def wanted(self, resource: Resource, name: str = "") -> WantedBinding:
        """The role binding that this entry means for a resource and a name. Raises `ValueError` with a sentence."""
        return WantedBinding(self.role, "/".join([*_place(resource, self.on), *self._last(name)]))

    def offers(self, wanted: WantedBinding, resources: Iterable[Resource]) -> bool:
        """Whether this entry offers a role binding for any of these resources."""
        return wanted.role == self.role and any(self._covers(wanted, each) for each in resources)

    def _covers(self, wanted: WantedBinding, resource: Resource) -> bool:
        try:
            return resource.kind is self.kind and self.wanted(resource, wanted.name) == wanted
        except ValueError:
            return False

    def _last(self, typed: str) -> tuple[str, ...]:
        if not self.takes_name:
            return ()
        name = typed.removesuffix("*")
        if (name or not self.prefix or not typed) and not _NAME.fullmatch(name):
            raise ValueError(_LETTERS)
        if typed.endswith("*") and not self.prefix:
            raise ValueError(f"“{self.name}” takes whole names, without a * at the end.")
        if name in {".", ".."} and not self.prefix:
            raise ValueError("Confluent doesn't allow “.” and “..” as names.")
        return (f"{self.on}={name}{'*' if self.prefix else ''}",)


def names_in(typed: str) -> Sequence[str]:
    """The names in a text, separated by commas, semicolons or spaces, each once."""
    return tuple(dict.fromkeys(filter(None, _SEPARATED.split(typed))))


def _place(resource: Resource, on: On) -> list[str]:
    """The elements of a CRN around what a role is bound to."""
    inner, path = resource.kind.row.inner, resource.paths()[0]
    around = [f"{key}={value}" for key, value in path]
    if on == path[0][0]:
        return around[:1]
    return [*around, f"{inner}={resource.id}"] if inner else around


_LETTERS = f"Use only a–z, A–Z, 0–9, dots, underscores and dashes, up to {LONGEST_NAME} characters."

OFFERS = (
    Offer("Read topics", "DeveloperRead", "topic", prefix=True),
    Offer("Write topics", "DeveloperWrite", "topic", prefix=True),
    Offer("Use consumer groups", "DeveloperRead", "group", prefix=True),
    Offer("Read subjects", "DeveloperRead", "subject", prefix=True),
    Offer("Write subjects", "DeveloperWrite", "subject", prefix=True),
    Offer("Run Flink statements", "FlinkDeveloper", "environment"),
)
"""What can be requested unless the policy file lists something else."""

MOST_ROLES = 5
"""How many roles of an account are kept with a request."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the account could do already when the request was sent. None is unknown."""

    roles: tuple[str, ...] | None = None
    """Its roles in words, at most `MOST_ROLES`."""
    more: int = 0
    """How many other roles it has."""
    keys: int | None = None
    """How many keys it has."""


def is_high_risk(said: str, operation: Operation, resource: Resource, bindings: Iterable[WantedBinding] = ()) -> bool:
    """Whether people are warned before they send or approve it. `said` is the `risk` of the rule, "" for none.

    If the rule says nothing, creating or extending a key that opens the whole organization is high risk. Whatever the
    rule says, access to everything of a kind is.
    """
    if any(each.is_for_everything for each in bindings):
        return True
    if said:
        return said == "high"
    gives = operation in {Operation.CREATE, Operation.ROTATE, Operation.EXTEND}
    return gives and resource.kind.row.opens_organization
