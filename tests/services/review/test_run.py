"""The weekly review: who is asked about which keys, what `Keep` does, and an organization of any size."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.audit import Action
from bot.domain.catalog import Account, Quota
from bot.domain.errors import CloudRefused, NotFound, Refused, Tampered, Throttled, Unavailable, Undeliverable
from bot.domain.keys import KeyId, MyAccount, Principal, RequestId, SlackUserId
from bot.domain.kinds import Kind
from bot.domain.policy import Review, RoleMapping
from bot.domain.requests import Done, Request, Retired
from bot.domain.review import Attestation, Digest, Finding
from bot.services.agenda import HOLDING, Item, ItemKind, must_hold
from bot.services.commands import CardAt, Keep, KeepShown
from bot.services.ports.store import Reviewed, Stored
from bot.services.review import run
from bot.services.review.digest import ORGANIZATION
from bot.store.keeps import RedisKeeps
from tests.services.review.office import CHANNEL, GONE, OWN, OWNS, WEEK, Slack, an_office, listed
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, NOW, OTTO
from tests.support.stored import next_due

# --- who is asked about what ------------------------------------------------------------------------------------------


async def test_people_are_asked_about_old_and_foreign_keys_of_their_own_account() -> None:
    async with an_office() as office:
        office.add("OLDER", DANA.principal)
        office.add("YOUNG", DANA.principal, NOW)
        office.add("UNDATED", DANA.principal, None)
        await office.made("OURS", owner=DANA.principal, at=NOW)
        await office.made("OURSOLD", owner=DANA.principal)

        digests = await office.a_week()

        assert list(digests) == [f"D{DANA.slack}"]
        (digest,) = digests.values()
        found = {each.key.id: each.findings for each in digest.keys}
        assert found == {
            "OLDER": (Finding.FOREIGN, Finding.OLD),
            "YOUNG": (Finding.FOREIGN,),
            "UNDATED": (Finding.FOREIGN,),
            "OURSOLD": (Finding.OLD,),
        }
        assert (digest.audience, digest.owner) == ("owner", MyAccount(DANA.principal))
        assert "[lk:" not in str(digest.keys)


async def test_there_is_no_message_where_there_is_nothing_to_say() -> None:
    async with an_office() as office:
        await office.made("OURS", at=NOW)

        assert await office.a_week() == {}


async def test_a_key_is_old_from_the_day_that_the_policy_names() -> None:
    async with an_office() as office:
        office.policy = replace(office.policy, review=Review(CHANNEL, older_than=30 * DAY))
        await office.made("YOUNGER", at=NOW + WEEK - 29 * DAY)
        await office.made("OLDER", at=NOW + WEEK - 30 * DAY)

        (digest,) = (await office.a_week()).values()

        assert listed(digest) == ["OLDER"]


async def test_the_policys_people_go_before_the_address() -> None:
    async with an_office() as office:
        office.policy = replace(office.policy, people={OTTO.slack: DANA.principal})
        office.slack.people.remove(DANA)
        office.add("OLDER", DANA.principal)

        assert list(await office.a_week()) == [f"D{OTTO.slack}"]


async def test_a_person_who_is_another_user_by_the_policy_is_not_asked_by_address() -> None:
    async with an_office() as office:
        office.policy = replace(office.policy, people={DANA.slack: OTTO.principal})
        office.add("OLDER", DANA.principal)

        assert list(await office.a_week()) == [CHANNEL]


async def test_an_owner_of_a_service_account_is_asked_about_the_kinds_of_keys_that_this_covers() -> None:
    """By the documented table a ResourceOwner manages no Cloud keys, so that they are not theirs to see."""
    async with an_office() as office:
        office.add("KAFKA")
        office.add("CLOUD", kind=Kind.CLOUD, resource="cloud")
        office.add("UNKNOWN", kind=None, resource="new-1")

        digests = await office.a_week()

        assert listed(digests[f"D{ERIN.slack}"]) == ["KAFKA"]
        assert digests[f"D{ERIN.slack}"].audience == "account-owner"
        assert sorted(listed(digests[CHANNEL])) == ["CLOUD", "UNKNOWN"]
        assert digests[CHANNEL].owners == (ERIN.name,), "the channel is not told that there is no owner"


async def test_the_policy_can_say_who_owns_a_service_account() -> None:
    async with an_office() as office:
        office.cloud.bindings.clear()
        office.slack.groups["S01"] = [DANA.slack, FEMI.slack, SlackUserId("U0NOBODY")]
        place = f"service-account={ACCOUNT.id}"
        office.policy = replace(
            office.policy,
            mappings=(
                RoleMapping("S01", "ResourceOwner", place),
                RoleMapping(OTTO.slack, "ResourceOwner", "service-account=sa-other1"),
                RoleMapping(OTTO.slack, "ResourceOwner"),
                RoleMapping(OTTO.slack, "Operator", place),
            ),
        )
        office.add("KAFKA")
        office.cloud.limits = [a_quota(9)]

        assert set(await office.a_week()) == {f"D{DANA.slack}", f"D{FEMI.slack}"}


async def test_where_nobody_owns_the_account_its_requesters_are_asked_each_about_their_own_key() -> None:
    async with an_office() as office:
        office.cloud.bindings.clear()
        await office.made("DANAS")
        await office.made("FEMIS", by=FEMI)
        office.add("FOREIGN")

        digests = await office.a_week()

        shown = {to: (listed(digest), digest.audience) for to, digest in digests.items()}
        assert shown == {
            f"D{DANA.slack}": (["DANAS"], "requester"),
            f"D{FEMI.slack}": (["FEMIS"], "requester"),
            CHANNEL: (["FOREIGN"], "channel"),
        }


async def test_a_requester_who_is_another_confluent_user_now_is_not_shown_the_key() -> None:
    async with an_office() as office:
        office.cloud.bindings.clear()
        await office.made("DANAS")
        office.policy = replace(office.policy, people={DANA.slack: OTTO.principal})

        assert list(await office.a_week()) == [CHANNEL]


@pytest.mark.parametrize("owner", [GONE, Principal("sa-gone01")])
async def test_no_owner_is_said_to_be_gone_while_confluent_may_show_only_a_part(owner: Principal) -> None:
    async with an_office() as office:
        known = office.review.recipients.known
        assert (await known(owner)).is_gone
        office.cloud.is_partial = True

        with pytest.raises(Throttled):
            await known(owner)


@pytest.mark.parametrize("owner", [GONE, Principal("sa-gone01")])
async def test_keys_whose_owner_is_gone_are_brought_to_the_channel(owner: Principal) -> None:
    async with an_office() as office:
        await office.made("ORPHAN", owner=owner, at=NOW)

        digests = await office.a_week()

        assert list(digests) == [CHANNEL]
        (listed_key,) = digests[CHANNEL].keys
        assert listed_key.findings == (Finding.ORPHANED,)


async def test_keys_of_a_user_whom_slack_does_not_have_are_brought_to_the_channel() -> None:
    async with an_office() as office:
        office.slack.people.remove(DANA)
        office.add("OLDER", DANA.principal)

        digests = await office.a_week()

        assert list(digests) == [CHANNEL]
        assert digests[CHANNEL].owner_name == "Dana"
        assert Finding.ORPHANED not in digests[CHANNEL].keys[0].findings


async def test_the_account_of_latchkey_itself_is_left_out() -> None:
    async with an_office() as office:
        office.add("OWNKEY", OWN)
        office.cloud.accounts[OWN] = Account(OWN, "latchkey", "")

        assert await office.a_week() == {}


async def test_keys_that_are_being_deleted_are_left_out() -> None:
    async with an_office() as office:
        retired = Retired(build.an_ask(), build.terms(), build.a_grant(), 1, build.a_key(), at=NOW)
        await office.made("ENDING", retired)

        assert await office.a_week() == {}


async def test_a_key_whose_record_does_not_open_is_not_called_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    async with an_office() as office:
        await office.made("BROKEN")
        await office.made("YOUNG", at=NOW)

        async def tampered(request: RequestId) -> Stored[Request] | None:
            raise Tampered("It does not open.")

        monkeypatch.setattr(office.store.requests, "get", tampered)
        (digest,) = (await office.a_week()).values()

        assert [(each.key.id, each.findings) for each in digest.keys] == [("BROKEN", (Finding.OLD,))]


async def test_what_has_no_owner_and_what_is_oldest_comes_first() -> None:
    async with an_office() as office:
        for id_, days in (("B", 200), ("C", 100), ("A", 300)):
            office.add(id_, at=NOW - days * DAY)

        (digest,) = (await office.a_week()).values()

        assert listed(digest) == ["A", "B", "C"]


# --- Keep -------------------------------------------------------------------------------------------------------------


async def test_a_kept_key_is_left_out_until_the_keep_ends_and_then_asked_about_again() -> None:
    async with an_office() as office:
        office.add("KEPT")
        office.add("OTHER")
        await office.a_week()

        page = await office.keep("KEPT")

        assert "KEPT" in page.text
        (message,) = office.slack.digests.values()
        assert [listed(version) for version in message] == [["KEPT", "OTHER"], ["OTHER"]]
        assert [(each.by, each.reason) for each in message[-1].kept] == [(ERIN.slack, "billing needs it")]
        next_week = (await office.a_week())[f"D{ERIN.slack}"]
        assert (listed(next_week), next_week.kept) == (["OTHER"], ())
        office.clock.advance(90 * DAY)
        assert listed((await office.a_week())[f"D{ERIN.slack}"]) == ["KEPT", "OTHER"]


async def test_when_all_is_kept_the_message_says_that_nothing_is_left() -> None:
    async with an_office() as office:
        office.add("KEPT")
        await office.a_week()

        await office.keep("KEPT")

        (message,) = office.slack.digests.values()
        assert message[-1].is_empty
        assert [each.key for each in message[-1].kept] == ["KEPT"]
        assert len(office.slack.digests) == 1
        await office.a_week()
        assert len(office.slack.digests) == 1, "a message without a question was sent"


async def test_a_keep_is_audited_with_its_reason() -> None:
    async with an_office() as office:
        await office.made("KEPT")

        await office.keep("KEPT", reason=" until May ")

        line = [line async for line in office.store.audit.read()][-1]
        assert (line["action"], line["actor"], line["request"]) == (Action.KEPT, ERIN.slack, "KEPT")
        assert "until May" in str(line)


async def test_the_same_keep_twice_is_one() -> None:
    async with an_office() as office:
        office.add("KEPT")

        first = await office.keep("KEPT")
        again = await office.keep("KEPT")

        assert first == again
        assert (await office.actions()).count(Action.KEPT) == 1


async def test_an_older_keep_carried_out_again_does_not_change_a_later_one() -> None:
    async with an_office() as office:
        office.add("KEPT")
        deed = Keep(KeyId("KEPT"), "the first reason")
        older = build.a_click(deed, ERIN, office.clock())
        await office.review.keep(deed, older)
        office.clock.advance(HOUR)
        await office.keep("KEPT", reason="the last word")

        await office.review.keep(deed, older)

        assert (await office.store.keeps.kept([KeyId("KEPT")]))[KeyId("KEPT")].reason == "the last word"


async def test_a_kept_key_whose_owner_goes_is_asked_about_again() -> None:
    async with an_office() as office:
        office.add("KEPT", DANA.principal)
        await office.keep("KEPT", by=DANA)
        office.cloud.people.remove(DANA)

        digests = await office.a_week()

        assert listed(digests[CHANNEL]) == ["KEPT"]


async def test_an_orphan_can_be_kept() -> None:
    async with an_office() as office:
        office.add("ORPHAN", GONE)
        await office.keep("ORPHAN")

        assert await office.a_week() == {}


async def test_who_may_not_see_a_key_cannot_keep_it() -> None:
    async with an_office() as office:
        office.add("KEPT")

        with pytest.raises(NotFound):
            await office.keep("KEPT", by=OTTO)
        with pytest.raises(NotFound):
            await office.keep("NOSUCHKEY")

        assert await office.actions() == []
        assert await office.store.keeps.kept([KeyId("KEPT")]) == {}


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 3001, "it is cflt" + "A" * 60])
async def test_a_reason_is_needed_and_is_no_secret(reason: str) -> None:
    async with an_office() as office:
        office.add("KEPT")

        with pytest.raises(Refused) as refused:
            await office.keep("KEPT", reason=reason)

        assert "Nothing changed" in refused.value.tell
        assert await office.store.keeps.kept([KeyId("KEPT")]) == {}


async def test_all_keys_that_a_message_lists_are_kept_once_however_often_the_click_is_carried_out() -> None:
    async with an_office() as office:
        office.add("ONE")
        office.add("TWO")
        office.add("CLOUD", kind=Kind.CLOUD, resource="cloud")
        await office.a_week()
        (place,) = (each for each in office.slack.digests if each.channel == f"D{ERIN.slack}")
        keys = await office.review.offered(ACCOUNT.id, place, ERIN.slack)
        assert sorted(keys) == ["ONE", "TWO"]

        first = await office.keep_shown(*keys, digest=place)
        again = await office.keep_shown(*keys, digest=place)

        assert first == again
        assert "2 API keys stay as they are." in first.text
        assert (await office.actions()).count(Action.KEPT) == 2
        assert set(await office.store.keeps.kept([KeyId(key) for key in keys])) == {"ONE", "TWO"}
        assert office.slack.digests[place][-1].is_empty
        with pytest.raises(Refused):
            await office.review.offered(ACCOUNT.id, place, ERIN.slack)


async def test_a_click_that_died_halfway_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    async with an_office() as office:
        office.add("ONE")
        office.add("TWO")
        deed = KeepShown(ACCOUNT.id, (KeyId("ONE"), KeyId("TWO")), "both are needed")
        click = build.a_click(deed, ERIN, office.clock())
        with monkeypatch.context() as broken:
            keep_one = office.store.keeps.keep

            async def dies(_: RedisKeeps, kept: Attestation) -> None:
                if kept.key == "TWO":
                    raise Unavailable("The store is away.")
                await keep_one(kept)

            broken.setattr(RedisKeeps, "keep", dies)
            with pytest.raises(Unavailable):
                await office.review.keep_shown(deed, click)
        assert set(await office.store.keeps.kept(deed.keys)) == {"ONE"}

        await office.review.keep_shown(deed, click)

        assert set(await office.store.keeps.kept(deed.keys)) == {"ONE", "TWO"}


async def test_t17_a_click_that_another_process_took_over_is_not_recorded_twice() -> None:
    async def is_lost() -> bool:
        return False

    async with an_office() as office:
        office.add("ONE")
        HOLDING.set(is_lost)
        with pytest.raises(Unavailable):
            await office.keep("ONE")

        assert Action.KEPT not in await office.actions()


async def test_keys_that_are_not_theirs_to_see_are_not_kept_and_named() -> None:
    async with an_office() as office:
        office.add("ONE")
        office.add("CLOUD", kind=Kind.CLOUD, resource="cloud")
        office.add("DANAS", DANA.principal)

        page = await office.keep_shown("ONE", "CLOUD", "DANAS", "GONE")

        assert "1 API key stays as it is." in page.text
        assert "Not kept: `CLOUD`, `DANAS`, `GONE`." in page.text
        assert set(await office.store.keeps.kept([KeyId("ONE"), KeyId("CLOUD"), KeyId("DANAS")])) == {"ONE"}
        with pytest.raises(NotFound):
            await office.keep_shown("ONE", by=OTTO)
        with pytest.raises(Refused):
            await office.keep_shown("ONE", reason=" ")


async def test_the_first_review_says_which_keys_were_there_before_latchkey() -> None:
    async with an_office() as office:
        office.add("FOREIGN")
        await office.made("OURS", owner=DANA.principal)
        office.add("ORPHAN", GONE)

        first = await office.a_week()

        said = {to: digest.is_baseline for to, digest in first.items()}
        assert said == {f"D{ERIN.slack}": True, f"D{DANA.slack}": False, CHANNEL: False}
        office.add("OTHER", OTTO.principal, office.clock())
        await office.review.changed(ACCOUNT.id)
        await office.work()
        assert office.slack.newest()[f"D{ERIN.slack}"].is_baseline
        second = await office.a_week()
        assert not second[f"D{ERIN.slack}"].is_baseline
        assert not second[f"D{OTTO.slack}"].is_baseline, "made since the start, so not there before"


async def test_a_latchkey_that_reviewed_keys_before_it_knew_of_a_beginning_offers_no_baseline() -> None:
    async with an_office() as office:
        await office.store.keeps.remember(ORGANIZATION, Reviewed(NOW - WEEK, complete=True))
        office.add("FOREIGN")

        (digest,) = (await office.a_week()).values()

        assert not digest.is_baseline


async def test_a_message_of_the_version_before_has_a_list_once_it_is_drawn_again() -> None:
    async with an_office() as office:
        office.add("ONE")
        await office.a_week()
        (place,) = office.slack.digests
        await office.store.cache.put(f"review:{ACCOUNT.id}:{ERIN.slack}", (), tuple[KeyId, ...], now=NOW, keep=WEEK)
        with pytest.raises(Refused):
            await office.review.offered(ACCOUNT.id, place, ERIN.slack)

        await office.review.changed(ACCOUNT.id)
        await office.work()

        assert list(await office.review.offered(ACCOUNT.id, place, ERIN.slack)) == ["ONE"]
        assert list(office.slack.digests) == [place]


async def test_a_message_that_a_crash_kept_us_from_remembering_is_drawn_again_when_it_is_clicked() -> None:
    async with an_office() as office:
        office.add("KEPT")
        office.add("OTHER")
        await office.a_week()
        lost = CardAt(f"D{ERIN.slack}", "99.0")

        await office.keep("KEPT", digest=lost)

        assert [listed(version) for version in office.slack.digests[lost]] == [["OTHER"]]


async def test_every_reader_of_the_same_key_sees_what_one_of_them_answered() -> None:
    async with an_office() as office:
        office.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI, "ResourceOwner", OWNS)]
        office.add("KEPT")
        office.add("OTHER")
        await office.a_week()

        await office.keep("KEPT")

        assert {to: listed(digest) for to, digest in office.slack.newest().items()} == {
            f"D{ERIN.slack}": ["OTHER"],
            f"D{FEMI.slack}": ["OTHER"],
        }


async def test_a_deletion_through_latchkey_leaves_the_message() -> None:
    async with an_office() as office:
        key = office.add("DELETED")
        office.add("OTHER")
        await office.a_week()
        await office.cloud.delete_key(key.id, ACCOUNT.id, CLUSTER)
        asked = build.approved()

        await office.review.moved(asked)
        await office.work()
        assert len(next(iter(office.slack.digests.values()))) == 1, "nothing had happened yet"
        await office.review.moved(Done(asked.ask, asked.terms, asked.grant, 1, at=office.clock()))
        await office.work()

        assert listed(office.slack.newest()[f"D{ERIN.slack}"]) == ["OTHER"]


async def test_a_message_that_slack_no_longer_has_stops_nothing() -> None:
    async with an_office() as office:
        office.add("KEPT")
        await office.a_week()
        office.slack.refusing[ERIN.slack] = Undeliverable("message_not_found", lasting=True)

        await office.keep("KEPT")

        assert await next_due(office.store) == NOW + 2 * WEEK


# --- limits -----------------------------------------------------------------------------------------------------------


PER_ACCOUNT = "iam.max_cluster_api_keys.per_service_account"


def a_quota(usage: int | None, of: str = ACCOUNT.id, code: str = PER_ACCOUNT, limit: int = 10) -> Quota:
    return Quota(code, "Keys of one account", limit, usage, of)


@pytest.mark.parametrize(("usage", "is_told"), [(7, False), (8, True), (11, True)])
async def test_a_limit_is_told_from_four_fifths_on(usage: int, *, is_told: bool) -> None:
    async with an_office() as office:
        await office.made("OURS", at=NOW)
        office.cloud.limits = [a_quota(usage)]

        digests = await office.a_week()

        assert [digest.quotas for digest in digests.values()] == ([(a_quota(usage),)] if is_told else [])


async def test_where_confluent_does_not_tell_the_use_the_keys_are_counted() -> None:
    async with an_office() as office:
        for number in range(4):
            await office.made(f"OURS{number}", at=NOW)
        office.cloud.limits = [a_quota(None, limit=5)]

        (digest,) = (await office.a_week()).values()

        assert digest.quotas == (a_quota(4, limit=5),)


async def test_the_limit_of_a_cluster_is_told_to_those_who_have_keys_for_it() -> None:
    async with an_office() as office:
        await office.made("OURS", at=NOW)
        full = a_quota(1990, CLUSTER.id, "kafka.max_api_keys.per_cluster", 2000)
        office.cloud.limits = [full, a_quota(9, "sa-other1")]

        digests = await office.a_week()

        assert {to: digest.quotas for to, digest in digests.items()} == {f"D{ERIN.slack}": (full,)}


async def test_a_limit_is_told_wherever_the_keys_are_that_use_it_up() -> None:
    """Who owns an account manages no Cloud keys, by the documented table."""
    async with an_office() as office:
        office.add("CLOUD", kind=Kind.CLOUD, resource="cloud")
        near = a_quota(9, code="iam.max_cloud_api_keys.per_service_account")
        office.cloud.limits = [near]

        digests = await office.a_week()

        assert {to: (listed(digest), digest.quotas) for to, digest in digests.items()} == {
            CHANNEL: (["CLOUD"], (near,)),
            f"D{ERIN.slack}": ([], (near,)),
        }


async def test_limits_of_the_organization_that_keys_use_up_are_told_in_the_channel() -> None:
    async with an_office() as office:
        near = a_quota(995, "", "iam.max_cloud_api_keys.per_org", 1000)
        office.cloud.limits = [near, a_quota(24, "", "iam.max_environments.per_org", 25)]
        await office.made("OURS", at=NOW, kind=Kind.CLOUD, resource="cloud")

        digests = await office.a_week()

        assert {to: (digest.owner, digest.quotas) for to, digest in digests.items()} == {CHANNEL: (None, (near,))}


@pytest.mark.parametrize(
    "error", [Unavailable("gone"), CloudRefused(status=403, detail="no", reference="R-1")], ids=["away", "refused"]
)
async def test_limits_that_cannot_be_read_keep_nobody_from_being_asked(error: Exception) -> None:
    async with an_office() as office:
        office.add("OLDER")
        office.cloud.limits = error

        assert [listed(digest) for digest in (await office.a_week()).values()] == [["OLDER"]]


# --- the pass ---------------------------------------------------------------------------------------------------------


async def test_the_first_pass_is_due_once_the_time_between_two_is_over_and_no_restart_puts_it_off() -> None:
    async with an_office() as office:
        await office.review.begin()
        office.clock.advance(DAY)
        await office.review.begin()

        assert await next_due(office.store) == NOW + WEEK


async def test_no_review_is_looked_for_again_in_a_day() -> None:
    async with an_office() as office:
        office.add("OLDER")
        office.policy = replace(office.policy, review=None)
        await office.review.begin()
        office.clock.advance(DAY)
        await office.work()

        assert office.slack.digests == {}
        assert office.cloud.pages == []
        assert await next_due(office.store) == NOW + 2 * DAY


async def test_items_of_a_review_that_was_switched_off_meanwhile_do_nothing() -> None:
    async with an_office() as office:
        office.add("OLDER")
        office.policy = replace(office.policy, review=None)

        assert [
            await office.review.step(Item.parse(f"review:{name}")) for name in ("@", "=", ACCOUNT.id, f"~{ACCOUNT.id}")
        ] == [None] * 4
        assert office.slack.digests == {}


async def test_a_large_organization_is_gone_through_in_turns_and_everybody_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The keys of each owner stand on many pages."""
    monkeypatch.setattr(run, "PAGES", 3)
    async with an_office() as office:
        office.cloud.page_length = 5
        owners = [office.account(number, keys=0) for number in range(8)]
        bound = [build.a_binding(ERIN, "ResourceOwner", f"{build.HERE}/service-account={owner}") for owner in owners]
        office.cloud.bindings[ERIN.principal] = bound
        for number in range(100):
            office.add(f"K{number:03}", owners[number % 8])

        digests = await office.a_week()

        assert office.cloud.pages == ["", *(str(start) for start in range(5, 100, 5))]
        assert len(office.slack.digests) == 8
        assert set(digests) == {f"D{ERIN.slack}"}
        assert {digest.owner.id for (digest,) in office.slack.digests.values() if digest.owner} == set(owners)


async def test_a_turn_ends_in_time_when_confluent_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SECONDS", 0.0)
    async with an_office() as office:
        office.cloud.page_length = 1
        for number in range(3):
            office.add(f"K{number}")

        await office.review.step(Item(ItemKind.REVIEW_PAGE))

        assert office.cloud.pages == [""]
        items = [str(lease.item) for lease in await office.store.agenda.take(office.clock(), HOUR, 9)]
        assert sorted(items) == ["review:@1", f"review:{ACCOUNT.id}"]


async def test_a_pass_whose_token_has_expired_begins_again_and_asks_nobody_twice() -> None:
    async with an_office() as office:
        office.cloud.page_length, office.cloud.expired = 1, {"1"}
        office.add("A")
        office.add("B", DANA.principal)
        office.cloud.limits = []
        await office.review.begin()
        office.clock.advance(WEEK)
        await office.work()
        assert list(office.slack.newest()) == [f"D{ERIN.slack}"]

        office.cloud.expired = set()
        office.clock.advance(run.RESTART)
        await office.work()
        office.clock.advance(HOUR)
        await office.work()

        assert list(office.slack.newest()) == [f"D{ERIN.slack}", f"D{DANA.slack}"]
        assert len(office.slack.digests) == 2


async def test_a_pass_goes_on_where_confluent_failed() -> None:
    async with an_office() as office:
        office.cloud.page_length, office.cloud.failing = 1, {"1"}
        office.add("A")
        office.add("B", DANA.principal)
        await office.review.begin()
        office.clock.advance(WEEK)
        await office.work()

        with pytest.raises(Unavailable):
            await office.review.step(Item(ItemKind.REVIEW_PAGE, "1"))
        office.cloud.failing = set()
        office.clock.advance(HOUR)
        await office.work()

        assert office.cloud.pages.count("") == 1
        assert len(office.slack.digests) == 2


async def test_slack_that_asks_us_to_wait_is_asked_later() -> None:
    async with an_office() as office:
        office.add("OLDER", DANA.principal)
        office.slack.refusing[DANA.email] = Throttled("wait", wait=timedelta(seconds=30))

        assert await office.review.step(Item(ItemKind.REVIEW, DANA.principal)) == NOW + timedelta(seconds=30)


async def test_whom_slack_does_not_let_us_reach_is_stood_in_for_by_the_channel() -> None:
    async with an_office() as office:
        office.add("KEPT")
        office.add("OTHER")
        office.slack.refusing[ERIN.slack] = Undeliverable("messages_tab_disabled", lasting=True)

        digests = await office.a_week()

        assert {to: digest.audience for to, digest in digests.items()} == {CHANNEL: "channel"}
        office.slack.refusing.clear()
        await office.keep("KEPT")
        assert {to: (digest.audience, listed(digest)) for to, digest in office.slack.newest().items()} == {
            CHANNEL: ("channel", ["OTHER"])
        }


async def test_where_nobody_can_be_reached_the_review_ends() -> None:
    async with an_office() as office:
        office.add("OLDER")
        gone = Undeliverable("channel_not_found", lasting=True)
        office.slack.refusing = {ERIN.slack: gone, CHANNEL: gone}

        assert await office.a_week() == {}
        assert await next_due(office.store) == NOW + 2 * WEEK


async def test_a_slack_that_fails_on_the_way_gives_nobody_the_message_twice() -> None:
    async with an_office() as office:
        office.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI, "ResourceOwner", OWNS)]
        office.add("OLDER")
        office.slack.refusing[ERIN.slack] = Undeliverable("timeout", lasting=False)
        for _ in range(2):
            with pytest.raises(Undeliverable):
                await office.review.step(Item(ItemKind.REVIEW, ACCOUNT.id))

        office.slack.refusing.clear()
        for _ in range(2):
            await office.review.step(Item(ItemKind.REVIEW, ACCOUNT.id))

        assert sorted(place.channel for place in office.slack.digests) == [f"D{ERIN.slack}", f"D{FEMI.slack}"]


async def test_t17_a_process_that_was_paused_forgets_no_message_of_the_one_that_took_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def is_lost() -> bool:
        return False

    async with an_office() as office:
        office.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI, "ResourceOwner", OWNS)]
        office.add("OLDER")
        item, send = Item(ItemKind.REVIEW, ACCOUNT.id), Slack.digest

        async def checked(slack: Slack, to: str, digest: Digest, at: CardAt | None) -> CardAt:
            await must_hold()  # as the adapter does
            return await send(slack, to, digest, at)

        async def stands_still(slack: Slack, to: str, digest: Digest, at: CardAt | None) -> CardAt:
            monkeypatch.setattr(Slack, "digest", checked)
            await office.review.step(item)  # another process
            HOLDING.set(is_lost)
            return await send(slack, to, digest, at)  # it had checked before

        monkeypatch.setattr(Slack, "digest", stands_still)
        with pytest.raises(Unavailable):
            await office.review.step(item)
        HOLDING.set(None)
        await office.review.step(item)

        assert len(office.slack.digests) == 3, "only what was on its way is there twice"
        last = await office.store.keeps.reviewed(ACCOUNT.id)
        assert last
        assert {to for to, _ in last.sent} == {ERIN.slack, FEMI.slack}


async def test_what_was_asked_this_week_is_asked_again_next_week_in_a_new_message() -> None:
    async with an_office() as office:
        office.add("OLDER")
        await office.a_week()
        await office.a_week()

        assert len(office.slack.digests) == 2


async def test_a_planted_item_tells_nothing_to_anybody_else() -> None:
    async with an_office() as office:
        office.add("OLDER")

        for name in (ACCOUNT.id, "sa-nobody", "~sa-nobody", "~=", "=", OWN):
            assert await office.review.step(Item.parse(f"review:{name}")) is None

        assert list(office.slack.newest()) == [f"D{ERIN.slack}"]
