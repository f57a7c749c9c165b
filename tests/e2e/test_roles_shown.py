"""`/apikey whoami`: every role of the table, held by somebody of the sandbox, with its source and what it allows."""

from pathlib import Path

from sandbox.cast import DEV
from sandbox.slack.person import PersonAtClient
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.support.play import play
from tests.support.wishes import words_of

CLUSTERS = "Kafka, Schema Registry, ksqlDB"
APPROVES, OWN = "you can approve what others ask for", "it covers your own keys; you approve none"
# From the page's table: who of the cast holds the role, where, and what it allows.
HELD = {
    "U0OLGA": [("OrganizationAdmin of the organization", APPROVES, f"{CLUSTERS}, Flink, Cloud resource management")],
    "U0ERIN": [("EnvironmentAdmin of dev (env-dev001)", APPROVES, f"{CLUSTERS}, Flink)")],
    "U0CHIYO": [("CloudClusterAdmin of production (env-prod01) / orders (lkc-prod01)", APPROVES, "Kafka)")],
    "U0KIM": [("KsqlAdmin of dev (env-dev001) / orders-dev (lkc-dev001) / enrichment", APPROVES, "ksqlDB)")],
    "U0RAVI": [("ResourceKeyAdmin of the organization", f"{APPROVES}, but it covers no keys of your own", "Flink)")],
    "U0SAMI": [
        ("ResourceOwner of orders-service (sa-orders)", "you can approve for this service account", CLUSTERS),
        ("ResourceOwner of production (env-prod01) / orders (lkc-prod01) / group orders-readers", OWN, CLUSTERS),
    ],
    "U0OMAR": [("Operator of dev (env-dev001)", OWN, f"{CLUSTERS}, Flink)")],
    "U0MONA": [("DeveloperManage of dev (env-dev001) / orders-dev (lkc-dev001)", OWN, f"{CLUSTERS})")],
    "U0DANA": [
        ("DeveloperWrite of dev (env-dev001) / orders-dev (lkc-dev001) / topic orders-*", OWN, f"{CLUSTERS})"),
        ("DeveloperRead of production (env-prod01) / orders (lkc-prod01) / topic orders", OWN, f"{CLUSTERS})"),
    ],
    "U0REED": [
        (
            "DeveloperRead of dev (env-dev001) / Stream Governance Package (lsrc-dev01) / subject orders-value",
            OWN,
            f"{CLUSTERS})",
        ),
    ],
    "U0DISHA": [("DataDiscovery of dev (env-dev001)", OWN, "Schema Registry)")],
}  # fmt: skip


async def roles_of(person: PersonAtClient) -> str:
    """The answer to `/apikey whoami`."""
    person.reload()
    await person.command("/apikey whoami")
    await person.see("Your roles")
    return words_of(*person.ephemerals)


async def test_whoami_names_each_of_the_eleven_roles_its_source_and_what_it_allows(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for user, roles in HELD.items():
            answer = await roles_of(it.person(user))
            for role, what, kinds in roles:
                lines = [line for line in answer.split("•") if line.strip().startswith(role)]
                assert len(lines) == 1, f"{role}: {answer}"
                assert lines[0].strip().endswith("A role binding.")
                assert what in lines[0]
                assert kinds in lines[0]
            assert (APPROVES in answer) == any(what.startswith(APPROVES) for _, what, _ in roles)
    assert {role.partition(" of ")[0] for roles in HELD.values() for role, _, _ in roles} == {
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
        sources = {line.partition(":")[0]: line.rpartition(". ")[2] for line in lines}
        assert sources == {
            "Operator of dev (env-dev001)": "A role binding.",
            "EnvironmentAdmin of dev (env-dev001)": "From Latchkey’s policy.",
            "CloudClusterAdmin of production (env-prod01) / payments (lkc-prod02)": "From Latchkey’s policy.",
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
        assert "None. You can ask for keys, and approve none." in await roles_of(it.dana)
