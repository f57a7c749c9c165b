"""What gives somebody the right to decide, in the words and with the names that people use."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bot.domain.authority import Target
from bot.domain.keys import ServiceAccount
from bot.domain.kinds import PLACED
from bot.domain.roles import Binding, Scope
from bot.services.people.approvers import Approver

_NAMED = frozenset({"environment", "service-account"} | {kind.row.element for kind in PLACED})


def by_basis(approvers: Iterable[Approver], target: Target) -> Mapping[str, Sequence[Approver]]:
    """The people who can approve, by what gives them the right: "EnvironmentAdmin of dev (env-dev001)"."""
    names, groups = names_of(target), defaultdict[str, list[Approver]](list)
    for each in approvers:
        if not each.someone.refusal:
            groups[right(each.bindings, names)].append(each)
    return groups


def right(bindings: Sequence[Binding], names: Mapping[str, str]) -> str:
    """What `authority.bases` found, in words: "EnvironmentAdmin of dev (env-dev001) and AccountAdmin of the …"."""
    return " and ".join(in_words(each, names) for each in bindings)


def names_of(target: Target) -> dict[str, str]:
    """Names, by id, of what the target's resource and owner are called."""
    resource = target.resource
    owner: dict[str, str] = {target.owner.id: target.owner.name} if isinstance(target.owner, ServiceAccount) else {}
    return {resource.id: resource.name, resource.environment: resource.environment_name} | owner


def in_words(binding: Binding, names: Mapping[str, str]) -> str:
    """A role and where it is bound: "CloudClusterAdmin of production (env-prod01) / orders (lkc-prod01)"."""
    path = Scope.parse(binding.crn).path
    return f"{binding.role} of {' / '.join(_element(*each, names) for each in path) or 'the organisation'}"


def _element(key: str, value: str, names: Mapping[str, str]) -> str:
    if value == "*":
        return f"every {key}"
    if key not in _NAMED:
        return f"{key} {value}"
    name = names.get(value, value)
    return value if name in {value, ""} else f"{name} ({value})"
