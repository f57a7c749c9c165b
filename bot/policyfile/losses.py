"""Finds requests that match a rule but are decided by a less strict rule above it.

Policies are written with exceptions above their rule, and everything that an exception decides also matches that rule.
Rules that only overlap are different: nobody sees the common part in either of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.domain.conditions import Condition
from bot.domain.keys import Operation
from bot.domain.policy import (
    CHANGES,
    MAKES,
    ME,
    MOST_APPROVALS,
    NEW_SERVICE_ACCOUNT,
    SERVICE_ACCOUNT,
    Match,
    Rule,
    Selector,
)
from bot.policyfile.conditions import lacks
from bot.policyfile.reach import Example, Reach, TooManySteps
from bot.policyfile.words import shown

NEVER = MOST_APPROVALS + 1
"""Stands for a refusal: more approvals than any rule can require."""
_OTHERS = frozenset({SERVICE_ACCOUNT, NEW_SERVICE_ACCOUNT})
_ALIKE = (Match(MAKES, owners=frozenset({ME})), Match(CHANGES, owners=frozenset({ME})), Match(owners=_OTHERS))
"""All requests, in classes within which a rule requires the same, except that new service accounts have no owners. For
those, `Reach.taken` returns an example only if there is none with an existing account."""
_DOING = {
    Operation.CREATE: "creating",
    Operation.EDIT: "editing",
    Operation.ROTATE: "rotating",
    Operation.DELETE: "deleting",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """An example of such a request, and how many approvals each of the two rules requires for it."""

    earlier: int
    """The position of the rule that decides it."""
    example: Example
    manages: bool
    """Whether the requester manages the key."""
    decided: int
    wanted: int
    lacks: tuple[str, ...] = ()
    """What the `approvers` of the earlier rule lack, if both rules require the same number of approvals."""

    @property
    def is_grave(self) -> bool:
        """Whether it's allowed although the later rule refuses it, or needs no approval although that requires one."""
        return self.wanted == NEVER or self.decided == 0

    def in_words(self, rules: Sequence[Rule]) -> str:
        """The loss as a finding about the later rule."""
        name = shown(rules[self.earlier].name)
        manages = "manages" if self.manages else "doesn't manage"
        who = f"{_whom(self.example)} who {manages} it"
        stricter = f" and is stricter about who approves ({', '.join(self.lacks)})" if self.lacks else ""
        return (
            f"part of what it matches is decided by {name} above it, which is less strict. "
            f"Example: {_request(self.example)}, by {who}: "
            f"{name} {_asks(self.decided)}, this rule {_asks(self.wanted)}{stricter}. "
            f"Move this rule up, or narrow {name}. If that's intended, add a rule for just that part above both"
        )


def losses(reach: Reach, rules: Sequence[Rule], index: int) -> Iterator[Loss]:
    """What the rule at this position loses, with one example for each earlier rule."""
    for earlier in range(index):
        try:
            found = _between(reach, rules, earlier, index)
        except TooManySteps:
            continue  # better silent than wrong
        if found is not None:
            yield found


def _between(reach: Reach, rules: Sequence[Rule], earlier: int, index: int) -> Loss | None:
    found = [
        loss
        for among in _ALIKE
        if (example := reach.taken(index, earlier, among)) is not None
        for manages in (True, False)
        if (loss := _loss(rules, earlier, index, example, manages=manages))
    ]
    if not found or reach.is_exception(earlier, index):
        return None
    return max(found, key=lambda loss: (loss.is_grave, loss.wanted - loss.decided))


def _loss(rules: Sequence[Rule], earlier: int, index: int, example: Example, *, manages: bool) -> Loss | None:
    """The loss of this one request, if the earlier rule is less strict about it."""
    decided, wanted = (needed(rules[each], example, manages=manages) for each in (earlier, index))
    lacking = tuple[str, ...]()
    if decided == wanted != NEVER and wanted:
        lacking = lacks(_approvers(rules[earlier], example), _approvers(rules[index], example), wanted)
    is_less = decided < wanted or lacking
    return Loss(earlier, example, manages, decided, wanted, lacking) if is_less else None


def _approvers(rule: Rule, example: Example) -> Condition | None:
    """The rule's conditions that matter for this request: only service accounts that exist have owners."""
    if rule.approvers is None or example.owner not in {ME, NEW_SERVICE_ACCOUNT}:
        return rule.approvers
    return replace(rule.approvers, barred=tuple(each for each in rule.approvers.barred if each != "owner"))


def needed(rule: Rule, example: Example, *, manages: bool) -> int:
    """How many approvals a rule requires; `NEVER` if it refuses."""
    if rule.forbid or (example.owner == ME and example.operation in MAKES and not rule.user_keys):
        return NEVER
    if rule.approvals or manages:
        return rule.approvals
    return NEVER if rule.otherwise is None else rule.otherwise


def _asks(approvals: int) -> str:
    words = {0: "requires no approval", 1: "requires 1 approval", NEVER: "refuses it"}
    return words.get(approvals, f"requires {approvals} approvals")


def _whom(example: Example) -> str:
    """The requester, as far as rules tell people apart: "someone in S07 with EnvironmentAdmin"."""
    by = Selector.of(*sorted(example.by))
    user, groups, roles = (
        " ".join(by.users) or "someone",
        " and ".join(sorted(by.groups)),
        " and ".join(sorted(by.roles)),
    )
    return f"{user}{f' in {groups}' if groups else ''}{f' with {roles}' if roles else ''}"


def _request(example: Example) -> str:
    """A request in words: "creating a Kafka key of the requester's own account in env-prod01"."""
    kind = example.kind.row
    owners = {ME: "the requester's own account", NEW_SERVICE_ACCOUNT: "a new service account", "": "a service account"}
    owner = owners.get(example.owner, example.owner)
    if example.owner == ME and example.operation in CHANGES:
        owner = "a person's account"
    exact = {name for name in example.called if "*" not in name}
    names = " and ".join(map(shown, sorted(exact or example.called)))
    environment = example.environment or (f"an environment called {names}" if names else "")
    place = " / ".join(filter(None, [environment, example.cluster])) or "an environment that no rule names"
    where = "" if kind.is_wide else f" in {place}"
    return f"{_DOING[example.operation]} a {kind.label} key of {owner}{where}"
