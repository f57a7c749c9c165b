"""What the account of a key can do: already, and by the role bindings that come with the key.

A role binding carries no text in which a marker could stand: principal, role and place are all there is. What tells
Latchkey's own from others is the journal of the request, `Granted.grant.bindings`: it says that a binding was not there
when Latchkey set out to create it, and which id Confluent gave it.
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
"""Characters of a Kafka topic's name; other names are held to the same."""
EVERYTHING = "*"
"""The pattern that every name fits."""
On: TypeAlias = Literal["topic", "group", "transactional-id", "subject", "environment"]
"""What a role is bound to, by its element in CRNs."""
ROLES_ON: Mapping[On, frozenset[str]] = {
    "topic": frozenset({"DeveloperManage", "DeveloperRead", "DeveloperWrite"}),
    "group": frozenset({"DeveloperManage", "DeveloperRead"}),
    "transactional-id": frozenset({"DeveloperManage", "DeveloperRead", "DeveloperWrite"}),
    "subject": frozenset({"DeveloperManage", "DeveloperRead", "DeveloperWrite"}),
    "environment": frozenset({"FlinkDeveloper"}),
}
"""The roles that can be offered: none that lets its holder grant roles to others."""
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}")
_SEPARATED = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class WantedBinding:
    """A role at a place inside the organization, for the account of the key."""

    role: str
    scope: str
    """A path below the organization, as in a CRN: `environment=env-1/schema-registry=lsrc-1/subject=orders-*`."""

    def crn(self, organization: str) -> str:
        """The place as Confluent's API takes it."""
        return f"crn://confluent.cloud/organization={organization}/{self.scope}"

    @property
    def path(self) -> Path:
        """The place as `roles.Scope` has it, without the cluster's second name."""
        return Scope.parse(self.crn("-")).path

    @property
    def on(self) -> str:
        """What it is bound to: the last element of the place."""
        return self.path[-1][0]

    @property
    def name(self) -> str:
        """The name or pattern that it is bound to."""
        return self.path[-1][1]

    @property
    def is_for_everything(self) -> bool:
        """Whether it covers whatever there is or will be, by a pattern that every name fits."""
        return self.name == EVERYTHING

    @property
    def is_prefix(self) -> bool:
        """Whether the name is the beginning of names."""
        return self.name.endswith(EVERYTHING)


State: TypeAlias = Literal["planned", "existed", "intended", "given", "unwanted", "removed", "kept"]


@dataclass(frozen=True, slots=True)
class GivenBinding:
    """What became of a wanted role binding."""

    wanted: WantedBinding
    state: State = "planned"
    """`planned`: nothing was tried. `existed`: it was there before, so that it is never deleted. `intended`: it was not
    there, and may be now. `given`: Latchkey created it. `unwanted`: the same, and it is to be deleted, or about to be.
    `removed`: it is gone. `kept`: another key came with it, too, so that it is that one's from now on."""
    principal: Principal | None = None
    """The account, once there is one."""
    id: str = ""
    """Confluent's id of it, once that is known."""
    at: datetime | None = None
    """When it was last tried to create it."""
    tries: int = 0
    """How often that was tried, counted before each try."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do before the key is created."""
        return self.state not in {"planned", "intended"}


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry of the policy's list of access that can be asked for."""

    name: str
    role: str
    on: On
    prefix: bool = False
    """Whether what is typed is the beginning of names."""

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that stand for the entry in a form: those of a changed entry are others."""
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
        """The role binding that this entry is for one resource and name. Raises `ValueError` with a sentence."""
        return WantedBinding(self.role, "/".join([*_place(resource, self.on), *self._last(name)]))

    def offers(self, wanted: WantedBinding, resources: Iterable[Resource]) -> bool:
        """Whether a wanted role binding is one that this entry offers for any of these resources."""
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
            raise ValueError(f"A name is up to {LONGEST_NAME} letters, digits, dots, underscores and dashes.")
        if typed.endswith("*") and not self.prefix:
            raise ValueError(f"“{self.name}” takes whole names, without a * at the end.")
        if name in {".", ".."} and not self.prefix:
            raise ValueError("Confluent doesn't allow “.” and “..” as names.")
        return (f"{self.on}={name}{'*' if self.prefix else ''}",)


def names_in(typed: str) -> Sequence[str]:
    """The names in a text, between commas, semicolons or spaces, each once."""
    return tuple(dict.fromkeys(filter(None, _SEPARATED.split(typed))))


def _place(resource: Resource, on: On) -> list[str]:
    """The elements of a CRN around what a role is bound to."""
    inner, path = resource.kind.row.inner, resource.paths()[0]
    around = [f"{key}={value}" for key, value in path]
    if on == path[0][0]:
        return around[:1]
    return [*around, f"{inner}={resource.id}"] if inner else around


OFFERS = (
    Offer("Read topics", "DeveloperRead", "topic", prefix=True),
    Offer("Write topics", "DeveloperWrite", "topic", prefix=True),
    Offer("Use consumer groups", "DeveloperRead", "group", prefix=True),
    Offer("Read subjects", "DeveloperRead", "subject", prefix=True),
    Offer("Write subjects", "DeveloperWrite", "subject", prefix=True),
    Offer("Run Flink statements", "FlinkDeveloper", "environment"),
)
"""What can be asked for unless the policy file says."""

MOST_ROLES = 5
"""How many roles of an account a request keeps."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the account of a wanted key could do already when the request was sent; None is unknown."""

    roles: tuple[str, ...] | None = None
    """Its roles in words, at most `MOST_ROLES`."""
    more: int = 0
    """How many other roles it has."""
    keys: int | None = None
    """How many keys it has."""


def is_high_risk(said: str, operation: Operation, resource: Resource, bindings: Iterable[WantedBinding] = ()) -> bool:
    """Whether people are warned before they send or approve it; `said` is what the policy's rule says of the risk.

    Where the rule says nothing, it is high for a key that opens the whole organization and is created or extended.
    Whatever the rule says, it is high for access to everything there is of a kind.
    """
    if any(each.is_for_everything for each in bindings):
        return True
    if said:
        return said == "high"
    gives = operation in {Operation.CREATE, Operation.ROTATE, Operation.EXTEND}
    return gives and resource.kind.row.opens_organization
