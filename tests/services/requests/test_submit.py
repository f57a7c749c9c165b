"""From the form to a request: what is refused before anything is stored, and what the request then holds."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product

import pytest

from bot.domain.access import OFFERS
from bot.domain.audit import Action
from bot.domain.catalog import Quota
from bot.domain.decision import Allowed, NeedsApproval
from bot.domain.errors import NotFound, Refused
from bot.domain.keys import MyAccount, NewServiceAccount, Operation, OrganizationScope, Owner, RequestId, Resource
from bot.domain.kinds import Kind
from bot.domain.policy import Policy
from bot.domain.requests import Approved, Pending
from bot.services.commands import Back, Check, Draft, ReplyTo, Send
from bot.services.pages import FormPage, ReviewPage, Right
from bot.services.people.candidates import Candidate
from bot.services.ports.store import Post
from bot.services.requests.submit import Forms, draft_again, enough, follows, too_few
from bot.services.requests.transitions import summary
from bot.services.surfaces import ASKED, CARD
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, NEW, NOW, OTTO, RESOURCES
from tests.support.composed import may_approve

DRAFT = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, "orders", "", "for tests", Kind.KAFKA, account=ACCOUNT.id)
FULL = [Quota("kafka.max_api_keys.per_cluster", "", 10, 10)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def forms(world: World) -> Forms:
    return world.start().forms


async def sent(world: World, draft: Draft = DRAFT, form: str = "D1", view: str | None = "V1") -> str | FormPage | None:
    """Dana sends a form that she reviewed before."""
    await world.store.drafts.put(form, DANA.slack, draft)
    return await forms(world).send(
        sending := Send(form), build.a_click(sending, at=world.clock(), reply=ReplyTo(view=view))
    )


async def is_stored(world: World, form: str = "D1") -> bool:
    return await world.store.requests.get(RequestId(form)) is not None


async def refused(world: World) -> list[dict[str, str]]:
    return [dict(line["details"]) for line in await world.audit() if line["action"] == Action.REFUSED]


# --- sending ----------------------------------------------------------------------------------------------------------


async def test_a_request_waits_as_long_as_its_rule_says_and_reminds_when_it_says(world: World) -> None:
    rule = build.a_rule(2, pending=3 * HOUR, remind=(HOUR, 2 * HOUR))
    world.policy = Policy((rule,), digest="0123abcd")
    assert await sent(world) == "Request sent. Latchkey will message you when it's approved or denied."

    state = await world.state("D1")
    assert isinstance(state, Pending)
    assert (state.expires_at, state.rounds, state.next_round) == (NOW + 3 * HOUR, 1, NOW + HOUR)
    assert (state.terms, state.policy) == (rule.terms(world.policy.table), "0123abcd")
    (line,) = await world.audit()
    assert line["details"] == {**summary(state.ask), "rule": rule.name, "policy": "0123abcd", "missing": "2"}


async def test_those_whom_the_rule_names_are_told_at_once(world: World) -> None:
    world.policy = Policy((build.a_rule(notify=(ERIN.slack,), remind=(HOUR,)),))
    await sent(world)

    state = await world.state("D1")
    assert isinstance(state, Pending)
    assert (state.rounds, state.next_round) == (0, NOW)


async def test_what_needs_no_approval_is_approved_by_nobody_and_due_now(world: World) -> None:
    world.policy = build.policy_of(build.a_rule(0))
    may_approve(world.cloud, DANA)
    assert str(await sent(world)).startswith("No approval needed. Latchkey is creating the key")

    state = await world.state("D1")
    assert isinstance(state, Approved)
    assert (state.grant.approvals, state.grant.at, state.not_before, state.attempt) == ((), NOW, NOW, 1)


async def test_a_form_is_its_writers_and_an_old_one_sends_nothing(world: World) -> None:
    await world.store.drafts.put("D1", OTTO.slack, DRAFT)
    for form in ("D1", "D2"):
        with pytest.raises(NotFound, match=r"expired\. Nothing was sent"):
            await forms(world).send(sending := Send(form), build.a_click(sending))
    assert world.history == []


async def test_a_full_quota_refuses_before_anything_is_stored_and_is_audited(world: World) -> None:
    world.cloud.limits = FULL
    world.policy = build.policy_of(build.a_rule(), digest="new")
    with pytest.raises(Refused, match="Nothing was sent") as error:
        await sent(world)

    assert not await is_stored(world)
    assert await refused(world) == [{"reason": error.value.tell, "rule": "1 approvals", "policy": "new"}]


async def test_a_policy_that_forbids_it_by_now_refuses_and_is_audited(world: World) -> None:
    world.policy = build.policy_of(build.a_rule(name="no <keys>", forbid="Use <ours>."), digest="new")
    with pytest.raises(Refused) as error:
        await sent(world)

    assert error.value.tell == "Use &lt;ours&gt;. (rule: no &lt;keys&gt;) Nothing was sent."
    assert await refused(world) == [{"reason": "Use <ours>.", "rule": "no <keys>", "policy": "new"}]
    assert not await is_stored(world)


async def test_a_lifetime_that_the_rule_no_longer_allows_comes_back_with_the_form(world: World) -> None:
    world.policy = build.policy_of(build.a_rule(lifetime=7 * DAY))
    page = await sent(world, replace(DRAFT, lifetime="8"))

    assert isinstance(page, FormPage)
    assert (list(page.problems), page.draft.lifetime) == (["lifetime"], "8")
    assert not await is_stored(world)
    assert isinstance(await sent(world, replace(DRAFT, lifetime="7")), str)


async def test_a_request_that_the_same_click_opened_is_not_opened_again(world: World) -> None:
    """Two processes may carry out one click at the same time; what counts is that both see the one request."""
    service, click = forms(world).proposals, build.a_click(Send("R1"))
    first = await service.propose(build.an_ask(), click)

    assert isinstance(first, Pending)
    assert await service.propose(build.an_ask(reason="another"), click) is None
    assert (await world.state()).ask.reason == first.ask.reason


# --- the review page --------------------------------------------------------------------------------------------------


async def test_a_form_is_kept_before_it_is_checked_so_that_it_can_be_opened_again(world: World) -> None:
    world.policy, click = build.policy_of(build.a_rule(forbid="No.")), build.a_click(Check(DRAFT))
    with pytest.raises(Refused):
        await forms(world).check(Check(DRAFT), click)

    page = await forms(world).back(Back(click.id), build.a_click(Back(click.id)))
    assert page.draft == DRAFT
    with pytest.raises(NotFound):
        await forms(world).back(Back(click.id), build.a_click(Back(click.id), by=OTTO))


async def test_the_review_page_says_who_can_approve_and_what_was_not_checked(world: World) -> None:
    service, click = forms(world), build.a_click(Check(DRAFT))
    await service.validator.catalog.refresh()
    page = await service.check(Check(DRAFT), click)

    assert isinstance(page, ReviewPage)
    assert (page.draft_id, page.owner, page.resource) == (click.id, ACCOUNT, CLUSTER)
    assert page.approvers == (Right("EnvironmentAdmin on dev", (ERIN.name, FEMI.name)),)
    assert [each for each in page.warnings if "couldn't check" in each], "this Confluent tells no limits"
    assert world.history == []


async def test_the_review_page_is_of_the_last_minute_and_a_request_is_of_this_moment(world: World) -> None:
    service, asked = forms(world), list[int]()
    for number in range(2):
        await service.check(Check(DRAFT), build.a_click(Check(DRAFT), id=f"D{number}"))
        asked.append(world.plan.calls.count("cloud.users"))
    assert asked[1] == asked[0]

    await service.send(Send("D1"), build.a_click(Send("D1")))
    assert world.plan.calls.count("cloud.users") > asked[1]


@pytest.mark.parametrize(
    ("draft", "wrong"),
    [
        (replace(DRAFT, name=" "), {"name"}),
        (replace(DRAFT, lifetime="8"), {"lifetime"}),
        (replace(DRAFT, owner="sa-gone", account="sa-gone", cluster="lkc-gone"), {"owner", "resource"}),
    ],
)
async def test_what_is_wrong_with_a_form_stands_under_its_fields(world: World, draft: Draft, wrong: set[str]) -> None:
    world.policy = build.policy_of(build.a_rule(lifetime=7 * DAY))
    page = await forms(world).check(Check(draft), build.a_click(Check(draft)))

    assert isinstance(page, FormPage)
    assert (set(page.problems), page.draft) == (wrong, draft)


# --- who could approve ------------------------------------------------------------------------------------------------


def test_so_many_people_as_are_missing_can_give_what_is_missing_and_a_second_account_is_no_second_person() -> None:
    erin, again, femi = (Candidate(each.slack, each.principal, "") for each in (ERIN, ERIN, FEMI))
    two = NeedsApproval(build.terms(approvals=3), 2)

    assert too_few([erin, femi], two) is None
    assert too_few([erin, again], two) == "only 1 of the 2 needed could approve"
    assert too_few([], two) == "no one else can approve it"
    enough([], Allowed(build.terms(approvals=0)))
    with pytest.raises(Refused, match="Nothing was sent, because only 1 of the 2"):
        enough([erin], two)


# --- what is written down ---------------------------------------------------------------------------------------------


def test_the_audit_log_names_an_account_by_its_id_and_one_that_is_to_be_made_by_that() -> None:
    asked, made = summary(build.an_ask()), summary(build.an_ask(owner=NEW, lifetime=7 * DAY))

    assert (asked["owner"], made["owner"]) == (ACCOUNT.id, "new-service-account")
    assert ("lifetime" in asked, made["lifetime"], "key" in asked) == (False, "7 days, 0:00:00", False)
    assert summary(build.a_change(Operation.DELETE))["key"] == "KEY0000000000009"
    assert asked["digest"] == build.an_ask().digest() != made["digest"]


def test_what_follows_the_last_approval_is_said_to_whom_it_concerns() -> None:
    later = replace(build.terms(), mint="on_claim")

    assert (
        follows(build.an_ask(), build.terms(), "you")
        == "Latchkey is creating the key and will message you when it's ready."
    )
    assert (
        follows(build.an_ask(), build.terms(), "<@U1>")
        == "Latchkey is creating the key and will message <@U1> when it's ready."
    )
    assert follows(build.an_ask(), later, "you") == "The key is created when you select `Show secret`."
    on_claim = follows(build.a_change(Operation.ROTATE), later, "<@U1>")
    assert on_claim == "The key is created when <@U1> selects `Show secret`."
    said = {each: follows(build.a_change(each), later, "you").split()[2] for each in (Operation.EDIT, Operation.DELETE)}
    assert said == {Operation.EDIT: "updating", Operation.DELETE: "deleting"}
    assert "extending the key" in follows(build.a_change(Operation.EXTEND), later, "you")


OWNERS: tuple[Owner, ...] = (ACCOUNT, NEW, MyAccount(DANA.principal))


@pytest.mark.parametrize(("owner", "resource"), list(product(OWNERS, RESOURCES)))
def test_a_form_that_is_opened_again_asks_for_the_same(owner: Owner, resource: Resource) -> None:
    ask = build.an_ask(owner=owner, resource=resource, lifetime=7 * DAY)
    draft = draft_again(ask, OFFERS, other_account=False)

    named = NewServiceAccount(draft.account_name, draft.account_description)
    meant: dict[str, Owner] = {"me": MyAccount(DANA.principal), "new": named, ACCOUNT.id: ACCOUNT}
    assert meant[draft.owner] == owner
    wide = isinstance(resource, OrganizationScope)
    assert (draft.kind, draft.environment) == (resource.kind, resource.environment)
    assert draft.cluster == ("" if wide else resource.id)
    assert (draft.cloud, draft.lifetime) == ("aws" if resource.kind.row.is_regional else "", "7")
    assert (draft.name, draft.description, draft.reason) == (ask.name, ask.description, ask.reason)
    assert draft_again(ask, OFFERS, other_account=True) == replace(draft, owner="service-account")


async def test_a_request_whose_modal_is_closed_is_told_by_its_message_alone(world: World) -> None:
    assert await sent(world, view=None) is None
    assert await is_stored(world)
    assert await sent(world, view=None) is None


async def reviewed(world: World, draft: Draft = DRAFT) -> ReviewPage:
    page = await forms(world).check(Check(draft), build.a_click(Check(draft), at=world.clock()))
    assert isinstance(page, ReviewPage)
    return page


async def test_the_modal_closes_once_a_message_about_the_last_request_reached_its_person(world: World) -> None:
    assert not (await reviewed(world)).closes
    await sent(world)
    assert not (await reviewed(world)).closes
    card = Post(CARD, "C01", "1.0", "d")
    await world.store.posts.put(RequestId("D1"), card)
    await world.store.posts.put(RequestId("D1"), Post(ASKED, "D01", "1.0", "d", broken="message_not_found"))
    assert not (await reviewed(world)).closes

    await world.store.posts.put(RequestId("D1"), Post(ASKED, "D01", "2.0", "d"))
    assert (await reviewed(world)).closes


async def test_the_review_page_shows_an_open_request_for_the_same(world: World) -> None:
    assert (await reviewed(world)).alike is None
    await sent(world)
    alike = (await reviewed(world)).alike
    assert alike is not None
    assert alike.ask.id == "D1"
    assert (await reviewed(world, replace(DRAFT, owner="me"))).alike is None


async def test_who_has_as_many_open_requests_as_allowed_reads_it_on_the_review_page(world: World) -> None:
    world.policy = replace(world.policy, open_requests=1)
    await sent(world)

    with pytest.raises(Refused, match="You have 1 open request, and the policy allows 1"):
        await reviewed(world)
