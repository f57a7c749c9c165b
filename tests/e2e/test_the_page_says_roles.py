"""The page's table of roles, row by row (docs/page.md): who may make, and approve, keys of which kind."""

from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL, ORG_CRN, crn
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.walks import is_made, live, reads
from tests.support.wishes import OWN, Wish, ask, review

POLICY = """
version: 1
channel: C0APPROVE
rules:
  - {name: who asks must manage it, match: {environment: env-dev001}, approvals: 0, unless_manager: forbid}
  - {name: the same for the organization, match: {kind: cloud}, approvals: 0, unless_manager: forbid}
  - {name: somebody else decides, match: {environment: env-prod01}, approvals: 1}
"""
CLUSTERS = frozenset({"kafka", "schema-registry", "ksqldb"})
DATA = CLUSTERS | {"flink"}
NONE = frozenset[str]()
# The row in docs/page.md, the role, the kinds of key that it gives for oneself, and for accounts in its reach.
ROWS = (
    ("P5", "CloudClusterAdmin", {"kafka"}, {"kafka"}),
    ("P6", "DataDiscovery", {"schema-registry"}, NONE),
    ("P7", "DeveloperManage", CLUSTERS, NONE),
    ("P8", "DeveloperRead", CLUSTERS, NONE),
    ("P9", "DeveloperWrite", CLUSTERS, NONE),
    ("P10", "EnvironmentAdmin", DATA, DATA),
    ("P11", "KsqlAdmin", {"ksqldb"}, {"ksqldb"}),
    ("P12", "Operator", DATA, NONE),
    ("P13", "OrganizationAdmin", DATA | {"cloud"}, DATA | {"cloud"}),
    ("P14", "ResourceKeyAdmin", NONE, DATA),
    ("P15", "ResourceOwner", CLUSTERS, CLUSTERS),
)
OF_KIND = {
    "kafka": "orders-dev",
    "schema-registry": "lsrc-dev01",
    "ksqldb": "enrichment",
    "flink": "aws.us-east-1",
    "cloud": "",
}
ENOUGH = "No approval needed."
NOT_ENOUGH = "This rule needs no approval, but only for people who manage such keys."
NOT_COVERED = "Your Confluent roles don't cover this key"


@pytest.mark.parametrize(("row", "role", "own", "others"), ROWS, ids=[f"{row}-{role}" for row, role, *_ in ROWS])
async def test_a_role_makes_and_approves_the_kinds_of_its_row(
    tmp_path: Path, row: str, role: str, own: frozenset[str], others: frozenset[str]
) -> None:
    """P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15: Reed holds this role alone; what each kind takes is the same for all.

    The role is bound to the whole organization, so that it is the kind and the owner that decide, never the place.
    """
    async with play(tmp_path, policy=POLICY) as it:
        # Where Slack ignores the ID of a page, each of these forms takes five seconds more; tests/e2e/test_late_acks.py
        # is about that.
        it.stage.slack.manners.set("acked_external_id", "adopted")
        reed = it.person("U0REED")
        hold(it, "u-reed01", role)
        for account, yes in ((OWN, own), ("orders-service", others)):
            for kind in OF_KIND:
                said = await review(reed, a_key(account, kind))
                assert (ENOUGH in said, NOT_ENOUGH in said) == (kind in yes, kind not in yes), (row, account, kind)
                await reed.close(everything=True)
        await makes_one(it, reed, own, others)
        await approves_one(it, reed, can="kafka" in others)


async def makes_one(it: Play, reed: PersonAtClient, own: frozenset[str], others: frozenset[str]) -> None:
    """What the review page promised is done: a key of the first kind that the role gives."""
    account, kind = (OWN, min(own)) if own else ("orders-service", min(others))
    before, wish = live(it), a_key(account, kind, "for Reed")
    await review(reed, wish)
    await reed.submit()
    await reed.see("No approval needed.")
    await reed.close(everything=True)
    await reads(it, reed, "(for Reed)", "is ready.")
    (made,) = live(it) - before
    key = it.stage.organization.api_keys[made]
    assert (key.owner, key.name) == ("u-reed01" if account == OWN else "sa-orders", "for Reed")


async def approves_one(it: Play, reed: PersonAtClient, *, can: bool) -> None:
    """Dana asks for a Kafka key of orders-service in production, and Reed presses Approve."""
    before = live(it)
    card = await ask(it, it.dana, Wish(environment="production", cluster="orders", name="for Dana"))
    await reed.click("Approve", beside="for Dana", in_channel=APPROVALS_CHANNEL)
    if can:
        key = await is_made(it, "for Dana")
        assert live(it) == {*before, key}
        return
    await reed.see(NOT_COVERED)
    assert it.cards()[-1] == card
    assert live(it) == before


def hold(it: Play, principal: str, role: str) -> None:
    """Let a principal hold this role, for the whole organization, and no other."""
    bindings = it.stage.organization.role_bindings
    for each in [each.id for each in bindings.values() if each.principal == principal]:
        del bindings[each]
    it.stage.organization.bind(principal, role, ORG_CRN)
    if role == "ResourceOwner":  # what it gives for accounts hangs on the accounts themselves
        it.stage.organization.bind(principal, role, crn("service-account=sa-orders"))


def a_key(account: str, kind: str, name: str = "by role") -> Wish:
    """A key of this kind in dev."""
    return Wish(account, kind=kind, cluster=OF_KIND[kind], name=name)
