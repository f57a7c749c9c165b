"""The form: every account and every scope of the page, with exactly the fields that each needs."""

from pathlib import Path

import pytest

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.confluent.model import ServiceAccount
from sandbox.slack.blocks import Json, plain_words
from tests.support.play import Play, block_of, fields, play
from tests.support.wishes import FIELDS, NEW, OWN, Wish, ask, choose_scope, fill_in, review, words_of

ONE_APPROVAL = """
version: 1
channel: C0APPROVE
rules:
  - {name: limited, match: {cluster: lkc-prod01}, approvals: 1, lifetime: 45d}
  - {name: mine, match: {owner: me}, approvals: 1, lifetime: 7d}
  - {name: one approval, match: {}, approvals: 1}
"""
EVERY_SCOPE = {
    "kafka": (Wish(), "*Kafka cluster*\norders-dev (`lkc-dev001`) *Environment*\ndev"),
    "schema-registry": (
        Wish(kind="schema-registry", cluster="lsrc-dev01"),
        "*Schema Registry*\nStream Governance Package (`lsrc-dev01`) *Environment*\ndev",
    ),
    "ksqldb": (
        Wish(kind="ksqldb", cluster="enrichment"),
        "*ksqlDB cluster*\nenrichment (`lksqlc-dev01`) *Environment*\ndev",
    ),
    "flink": (
        Wish(kind="flink", cluster="aws.us-east-1"),
        "*Flink region*\nAWS us-east-1 (`aws.us-east-1`) *Environment*\ndev",
    ),
    "cloud": (Wish(kind="cloud"), "Cloud resource management"),
    "tableflow": (Wish(kind="tableflow"), "Tableflow"),
    "global": (Wish(kind="global"), "Global"),
}


@pytest.mark.parametrize("kind", EVERY_SCOPE)
async def test_each_resource_scope_can_be_asked_for(tmp_path: Path, kind: str) -> None:
    wish, shown = EVERY_SCOPE[kind]
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        card = await ask(it, it.dana, wish)

        assert shown in words_of(card)
        (submitted,) = await it.audit("request:submitted")
        details = submitted["details"]
        assert isinstance(details, dict)
        assert (details["kind"], details["owner"]) == (kind, "sa-orders")
        assert it.dana.notices == []
        assert it.dana.ephemerals == []


async def test_the_scopes_and_accounts_are_described_in_the_words_of_the_page(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        scopes = await it.dana.options("Resource scope")
        assert scopes[:5] == [
            "Kafka cluster",
            "Schema Registry",
            "ksqlDB cluster",
            "Flink region",
            "Cloud resource management",
        ]
        accounts = await it.dana.options("Account")
        assert accounts == ["My account", "Existing service account", "New service account"]
        await it.dana.see("Recommended for development and testing")
        await it.dana.see("Recommended for production: existing applications")
        await it.dana.see("Recommended for production: new applications")

        await it.dana.fill({"Account": "My account"})
        await it.dana.see("The key acts as your own Confluent user: anyone with it can do whatever you can do.")
        await it.dana.fill({"Resource scope": "Cloud resource management"})
        await it.dana.see("For managing Confluent Cloud resources through its APIs. Nothing else to select.")
        await it.dana.fill({"Resource scope": "Global"})
        await it.dana.see("except Basic and Standard clusters. It has its own quota.")


async def test_a_key_of_ones_own_account_is_advised_against_for_production(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        said = await review(it.dana, Wish(OWN))

        assert "Use a service account in production." in said
        assert "Anyone with this key can do whatever you can do." in said


async def test_a_new_service_account_has_a_name_that_nobody_has_and_is_made_after_the_approval(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        await fill_in(it.dana, Wish(NEW, account_name="orders-service"))
        (problem,) = (await it.dana.submit()).values()
        assert problem.startswith("A service account with this name already exists (sa-orders).")
        accounts = it.stage.organization.service_accounts
        taken = accounts["sa-orders"]
        accounts["sa-new001"] = ServiceAccount("sa-new001", "clicks", "", taken.created_at, taken.updated_at)
        await it.dana.fill({"Service account name": "clicks", "Service account description": "Reads <clicks> & more"})
        assert await it.dana.submit() == {}
        await it.dana.see("A service account with this name already exists (sa-new001).")

        await it.dana.fill({"Service account name": "clicks-service"})
        assert await it.dana.submit() == {}
        await it.dana.see("Review your request")
        said = " ".join(plain_words(it.dana.front()))
        assert "clicks-service" in said
        assert "new service account" in said
        assert "Reads &lt;clicks&gt; &amp; more" in said
        await it.dana.submit()
        await it.card_says("clicks-service")
        assert [each.name for each in accounts.values()].count("clicks-service") == 0


async def test_texts_of_a_new_account_that_are_too_long_are_answered_under_their_fields(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW))
        errors = await it.submit_past_the_client(account_name="a" * 65, account_description="d" * 129)

        assert {ids.field(block): problem for block, problem in errors.items()} == {
            "account_name": "At most 64 characters; this has 65.",
            "account_description": "At most 128 characters; this has 129.",
        }


async def test_what_was_typed_and_chosen_survives_every_change_of_account_and_scope(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW, account_name="clicks-service"))
        await it.dana.fill({"Service account description": "about clicks", "Description": "half a sent"})
        for account in ("me", "service-account"):
            await it.dana.fill({"Account": account})
            await _without(it, "account_name")
        await it.dana.fill({"Service account": "payments-service", "Account": "me"})
        await _without(it, "account")
        for kind in ("cloud", "flink", "global", "schema-registry"):
            await it.dana.fill({"Resource scope": kind})
            await _drawn(it, f"resource:{kind}:env-dev001" if kind in FIELDS else kind)
        assert _chosen(it, "resource")["value"] == "lsrc-dev01"

        await it.dana.fill({"Account": "service-account"})
        await _drawn(it, "account")
        assert _chosen(it, "account")["text"]["text"] == "payments-service"
        await it.dana.fill({"Account": "new"})
        await _drawn(it, "account_name")
        await it.dana.submit()
        await it.dana.see("Review your request")
        said = " ".join(plain_words(it.dana.front()))
        for text in ("clicks-service", "about clicks", "orders producer", "half a sent", "Local tests", "lsrc-dev01"):
            assert text in said


async def test_another_place_empties_the_resource(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await choose_scope(it.dana, Wish())
        assert await it.dana.options("Kafka cluster") == ["clicks-dev", "orders-dev", "payments-dev"]
        await it.dana.fill({"Environment": "production"})
        await _drawn(it, "resource:kafka:env-prod01")

        assert _chosen(it, "resource") is None
        assert await it.dana.options("Kafka cluster") == ["orders", "payments"]


async def test_a_click_on_review_before_the_form_is_drawn_again_takes_nothing_of_the_place_before(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish())
        it.stage.slack.faults.slow = 0.5
        await it.dana.fill({"Resource scope": "ksqldb"})
        assert await it.dana.submit() == {}
        it.stage.slack.faults.slow = 0

        await it.dana.see("Choose a ksqlDB cluster.")
        await it.dana.fill({"ksqlDB cluster": "enrichment"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert it.dana.sees("enrichment")


async def test_quick_changes_of_the_scope_end_with_the_last_one(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await it.dana.fill({"Name": "typed before", "Environment": "dev"})
        for kind in ("schema-registry", "cloud", "ksqldb", "global", "flink"):
            await it.dana.fill({"Resource scope": kind})
        await it.dana.fill({"Reason": "typed meanwhile"})

        await _drawn(it, "resource:flink:env-dev001")
        values = it.dana.front()["state"]["values"]
        assert values["kind"]["form:kind"]["selected_option"]["value"] == "flink"
        assert it.dana.typed[it.dana.front()["id"]]["name"]["form:text"]["value"] == "typed before"
        assert it.dana.typed[it.dana.front()["id"]]["reason"]["form:text"]["value"] == "typed meanwhile"
        assert it.dana.notices == []
        assert it.dana.ephemerals == []


async def test_the_only_schema_registry_of_an_environment_is_chosen_by_itself(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        said = await review(it.dana, Wish(kind="schema-registry", cluster=""))
        assert "Stream Governance Package (`lsrc-dev01`)" in said


async def test_flink_offers_the_clouds_and_regions_in_use_first(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await choose_scope(it.dana, Wish(kind="flink", environment="production", cluster="aws.eu-central-1"))

        assert await it.dana.options("Cloud provider") == ["AWS", "Microsoft Azure", "Google Cloud"]
        regions = await it.dana.options("Region")
        assert regions[:3] == ["Frankfurt (eu-central-1)", "N. Virginia (us-east-1)", "Sydney (ap-southeast-2)"]
        assert await it.dana.options("Region", "ohio") == ["Ohio (us-east-2)"]
        await it.dana.fill({"Cloud provider": "azure"})
        await _drawn(it, "resource:flink:env-prod01:azure")
        assert await it.dana.options("Region", "virginia") == ["Virginia (eastus)"]


async def test_a_lifetime_is_chosen_within_what_the_rule_allows(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        await fill_in(it.dana, Wish(OWN))
        await _drawn(it, "lifetime:604800")
        assert await it.dana.options("Lifetime") == ["Maximum allowed: 7 days", "1 day", "7 days"]
        await it.dana.fill({"Lifetime": "1 day"})
        await it.dana.submit()
        await it.dana.see("24 hours after creation")
        await it.dana.submit()
        await it.card_says("Approve")
        (submitted,) = await it.audit("request:submitted")
        assert submitted["details"]["lifetime"] == "1 day, 0:00:00"  # type: ignore[index]


async def test_a_lifetime_beyond_the_rule_is_answered_under_its_field(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        await fill_in(it.dana, Wish(environment="production", cluster="orders", lifetime="365"))
        assert await it.dana.submit() == {}
        await it.dana.see("The rule (limited) lets this key last at most 45 days.")

        assert await it.dana.options("Lifetime") == [
            "Maximum allowed: 45 days",
            "1 day",
            "7 days",
            "30 days",
        ]
        await it.dana.submit()
        await it.dana.see("45 days after creation")


async def test_without_a_limit_a_key_has_no_end_unless_one_is_chosen(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        assert "This key doesn't expire. It works until someone deletes it." in await review(it.dana, Wish())


async def test_nobody_is_asked_to_approve_what_confluent_has_no_room_for(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        faults = it.stage.faults
        faults.low_quota, faults.low_quota_limit = "iam.max_cluster_api_keys.per_service_account", 1
        said = await review(it.dana, Wish())
        assert "`iam.max_cluster_api_keys.per_service_account`" in said
        assert "Nothing was sent." in said

        faults.low_quota = "kafka.max_api_keys.per_cluster"
        faults.low_quota_limit = 100
        await it.dana.click("Back to the form")
        await it.dana.wait_for(lambda: it.dana.front()["callback_id"] == "form", "the form as it was")
        await it.dana.submit()
        await it.dana.see("Review your request")
        faults.low_quota_limit = 1
        await it.dana.submit()
        await it.dana.see("`kafka.max_api_keys.per_cluster`")
        assert it.cards() == []
        assert [line["action"] for line in await it.audit()][-1] == "request:refused"


async def test_a_new_account_needs_room_for_one_more_account(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        it.stage.faults.low_quota, it.stage.faults.low_quota_limit = "iam.max_service_accounts.per_org", 1
        assert "`iam.max_service_accounts.per_org`" in await review(it.dana, Wish(NEW))


@pytest.mark.parametrize("told", ["refused", "without their use"])
async def test_limits_that_cannot_be_read_are_in_nobodys_way(tmp_path: Path, told: str) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        it.stage.faults.set("quotas", told)
        said = await review(it.dana, Wish())
        assert ("couldn't check" in said) == (told == "refused")
        await it.dana.submit()
        await it.dana.see("Request sent.")


async def test_kinds_that_a_rule_forbids_are_refused_on_the_review_page_alone(tmp_path: Path) -> None:
    policy = "version: 1\nchannel: C0APPROVE\nrules: [{name: none, match: {kind: global}, forbid: Take another.}]\n"
    async with play(tmp_path, policy=policy) as it:
        await it.dana.command("/apikey create")
        assert "Global" in await it.dana.options("Resource scope")
        await it.dana.close()
        assert "Take another. (rule: none) Nothing was sent." in await review(it.dana, Wish(kind="global"))


async def test_a_form_can_be_opened_as_it_was_filled_in_before(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        wish = Wish(NEW, kind="flink", cluster="aws.us-east-2", lifetime="90")
        await ask(it, it.dana, wish)
        olga = it.person("U0OLGA")
        await olga.click("Deny", in_channel=APPROVALS_CHANNEL)
        await olga.fill({"Reason": "Not yet"})
        await olga.submit()
        await it.dana.click("Request again")
        await _drawn(it, "resource:flink:env-dev001:aws")
        assert _chosen(it, "resource")["text"]["text"] == "Ohio (us-east-2)"
        assert _chosen(it, "lifetime")["text"]["text"] == "90 days"
        await it.dana.submit()
        await it.dana.see("Review your request")
        said = " ".join(plain_words(it.dana.front()))
        for text in ("clicks-service", "aws.us-east-2", "orders producer", "90 days after creation"):
            assert text in said


async def _drawn(it: Play, text: str) -> None:
    """Wait until the form has this field, or a choice of this value."""
    await it.dana.wait_for(
        lambda: any(ids.is_field(each, text) for each in fields(it.dana.modal)) or f"'{text}'" in str(it.dana.modal),
        f"a form with {text}",
    )


async def _without(it: Play, block: str) -> None:
    """Wait until the form has no such field."""
    await it.dana.wait_for(lambda: block not in fields(it.dana.modal), f"no {block}")


def _chosen(it: Play, block: str) -> Json:
    """What stands in a field of the form, as Slack would send it."""
    view = it.dana.front()
    (value,) = view["state"]["values"][block_of(view, block)].values()
    chosen: Json = value["selected_option"]
    return chosen
