"""`/apikey whoami`: every role of the table, held by a person of the sandbox, and what it allows."""

from pathlib import Path

from sandbox.cast import DEV
from sandbox.slack.person import PersonAtClient
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.support.play import play
from tests.support.wishes import words_of

CLUSTERS = "Kafka, Schema Registry, ksqlDB"
APPROVES, OWN = "you can approve other people's requests", "this role covers only your own keys"
# From the page's table: who of the cast holds the role, where, and what it allows.
HELD = {
    "U0OLGA": [("OrganizationAdmin", APPROVES, f"{CLUSTERS}, Flink, Cloud")],
    "U0ERIN": [("EnvironmentAdmin on dev", APPROVES, f"{CLUSTERS}, Flink)")],
    "U0CHIYO": [("CloudClusterAdmin on orders (production)", APPROVES, "Kafka)")],
    "U0KIM": [("KsqlAdmin on ksqlDB cluster enrichment in orders-dev (dev)", APPROVES, "ksqlDB)")],
    "U0RAVI": [
        ("ResourceKeyAdmin on the whole organization", APPROVES, "Flink), but this role covers no keys of your own"),
    ],
    "U0SAMI": [
        ("ResourceOwner on orders-service", "you can approve requests for this service account", CLUSTERS),
        ("ResourceOwner on consumer group orders-readers in orders (production)", OWN, CLUSTERS),
    ],
    "U0OMAR": [("Operator on dev", OWN, f"{CLUSTERS}, Flink)")],
    "U0MONA": [("DeveloperManage on orders-dev (dev)", OWN, f"{CLUSTERS})")],
    "U0DANA": [
        ("DeveloperWrite on topics starting with orders- in orders-dev (dev)", OWN, f"{CLUSTERS})"),
        ("DeveloperRead on topic orders in orders (production)", OWN, f"{CLUSTERS})"),
    ],
    "U0REED": [
        (
            "DeveloperRead on subject orders-value in Stream Governance Package (dev)",
            OWN,
            f"{CLUSTERS})",
        ),
    ],
    "U0DISHA": [("DataDiscovery on dev", OWN, "Schema Registry)")],
}  # fmt: skip


async def roles_of(person: PersonAtClient) -> str:
    """The answer to `/apikey whoami`."""
    person.reload()
    await person.command("/apikey whoami")
    await person.see("Your roles")
    return words_of(*person.ephemerals)


async def test_whoami_names_each_of_the_eleven_roles_and_what_it_allows(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for user, roles in HELD.items():
            answer = await roles_of(it.person(user))
            for role, what, kinds in roles:
                lines = [line for line in answer.split("•") if line.strip().startswith(role)]
                assert len(lines) == 1, f"{role}: {answer}"
                assert what in lines[0]
                assert kinds in lines[0]
            assert (APPROVES in answer) == any(what.startswith(APPROVES) for _, what, _ in roles)
    assert {role.partition(" on ")[0] for roles in HELD.values() for role, _, _ in roles} == {
        "CloudClusterAdmin",
        "DataDiscovery",
        "DeveloperManage",
        "DeveloperRead",
        "DeveloperWrite",
        "EnvironmentAdmin",
        "KsqlAdmin",
        "Operator",
        "OrganizationAdmin",
        "ResourceKeyAdmin",
        "ResourceOwner",
    }


async def test_whoami_tells_roles_of_the_policy_from_role_bindings(tmp_path: Path) -> None:
    policy = f"""
    version: 1
    roles:
      mappings:
        - {{user: U0OMAR, role: EnvironmentAdmin, scope: {DEV}}}
        - {{group: {PLATFORM_GROUP}, role: CloudClusterAdmin, scope: env-prod01/lkc-prod02}}
    """
    async with play(tmp_path, policy=policy) as it:
        it.stage.slack.workspace.groups[PLATFORM_GROUP].members = ["U0OMAR"]
        lines = [line.strip() for line in (await roles_of(it.person("U0OMAR"))).split("•")][1:]
        assert {line.partition(":")[0] for line in lines} == {
            "Operator on dev",
            "EnvironmentAdmin on dev, from Latchkey's policy",
            "CloudClusterAdmin on payments (production), from Latchkey's policy",
        }


async def test_whoami_reads_roles_by_the_table_that_the_policy_chose(tmp_path: Path) -> None:
    async with play(tmp_path, policy='version: 1\nroles: {table: "2026"}\n') as it:
        assert "Kafka, ksqlDB)" in await roles_of(it.person("U0CHIYO"))
        assert f"{CLUSTERS}, Tableflow)" in await roles_of(it.person("U0RAVI"))


async def test_who_holds_nothing_reads_that(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        bindings = it.stage.organization.role_bindings
        for held in [held for held in bindings.values() if held.principal == "u-dana01"]:
            del bindings[held.id]
        assert "None. You can request keys, but you can't approve any." in await roles_of(it.dana)
