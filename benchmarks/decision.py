"""What one decision costs: CPU milliseconds with 1,000 bindings and 200 rules. Budget: 1 ms.

`python -m benchmarks.decision`

The worst case of each line: no rule but the last one speaks of the request, and no binding counts, or only the last.
"New" bindings are CRNs that this process reads for the first time; from that point on it knows them.
"""

import gc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import process_time

from bot.domain.approvals import Approval
from bot.domain.authority import HeldRoles
from bot.domain.decision import decide
from bot.domain.keys import (
    KsqlCluster,
    MyAccount,
    Operation,
    Owner,
    Person,
    Principal,
    RequestId,
    ServiceAccount,
    SlackUserId,
    TeamId,
)
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Policy, Rule
from bot.domain.requests import Ask
from bot.domain.roles import Binding

BINDINGS, RULES, BUDGET = 1_000, 200, 1.0
ROUNDS, IN_A_ROUND = 20, 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# ksqlDB is the dearest kind: bindings may name its cluster in two ways.
CLUSTER = KsqlCluster("lksqlc-1", "app", "env-1", "dev", "lkc-1")
ACCOUNT = ServiceAccount(Principal("sa-1"), "orders")


def person(name: str) -> Person:
    return Person(SlackUserId(f"U{name}"), TeamId("T1"), name, f"{name}@example.com", Principal(f"u-{name}"))


def ask(owner: Owner) -> Ask:
    return Ask(RequestId("R1"), person("dana"), Operation.CREATE, owner, CLUSTER, "name", "", "reason", NOW)


def policy(approvals: int) -> Policy:
    matches = (
        Match(frozenset({Operation.CREATE}), frozenset({Kind.KSQLDB}), frozenset({f"env-{number + 2}"}))
        for number in range(RULES - 1)
    )
    return Policy(
        (*(Rule(f"rule {n}", match, "C1") for n, match in enumerate(matches)), Rule("", Match(), "C1", approvals))
    )


def holding(who: Person, role: str, series: str = "") -> HeldRoles:
    """A thousand bindings, each to a topic of another environment."""
    crns = (
        f"crn://confluent.cloud/organization=o-1/environment=env-{series}{number + 2}/cloud-cluster=lkc-{number}"
        f"/kafka=lkc-{number}/topic=orders-{number}"
        for number in range(BINDINGS)
    )
    return HeldRoles(who, tuple(Binding(who.principal, role, crn) for crn in crns), "o-1")


def cost(work: Callable[[], object]) -> float:
    """CPU milliseconds of one call: the median of some rounds."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = process_time()
        for _ in range(IN_A_ROUND):
            work()
        rounds.append((process_time() - began) / IN_A_ROUND * 1e3)
    return median(rounds)


def cost_of_new(works: Sequence[Callable[[], object]]) -> float:
    """The same if every call meets bindings that this process hasn't seen."""
    rounds = []
    for work in works:
        began = process_time()
        work()
        rounds.append((process_time() - began) * 1e3)
    return median(rounds)


def main() -> None:
    gc.disable()
    dana, erin = person("dana"), person("erin")
    for role in ("OrganizationAdmin", "ResourceOwner", "DeveloperRead"):
        for owner in (MyAccount(dana.principal), ACCOUNT):
            asked = ask(owner)
            mine, hers = holding(dana, role), holding(erin, role)
            nothing = HeldRoles(dana, (), "o-1")
            approval = Approval(erin, "", NOW, asked.digest())
            alone = cost(partial(decide, policy_alone, asked, mine))
            approved = cost(partial(decide, policy_one, asked, nothing, [(approval, hers)]))
            report(f"{role}, {owner.kind}'s key, on one's own", alone)
            report(f"{role}, {owner.kind}'s key, one approval", approved)
    asked = ask(ACCOUNT)
    fresh = [holding(dana, "OrganizationAdmin", f"{number}-") for number in range(ROUNDS)]
    report(
        "OrganizationAdmin, service-account's key, new bindings",
        cost_of_new([partial(decide, policy_alone, asked, each) for each in fresh]),
        "once",
    )


def report(what: str, milliseconds: float, note: str = "") -> None:
    print(f"{milliseconds:6.3f} ms  {what}  {note or ('ok' if milliseconds <= BUDGET else 'OVER BUDGET')}")


policy_alone, policy_one = policy(0), policy(1)

if __name__ == "__main__":
    main()
