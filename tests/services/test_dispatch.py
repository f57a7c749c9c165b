"""One row for each command, and an answer to every click, whatever became of it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.errors import CloudRefused, Conflict, LatchkeyError, NotFound, Refused, Unavailable, Undeliverable
from bot.domain.keys import KeyId, RequestId, SlackUserId
from bot.services.commands import (
    Act,
    Anyway,
    Approve,
    Back,
    Check,
    Click,
    Deed,
    Delete,
    Deny,
    Draft,
    Edit,
    Extend,
    FoundLeak,
    Glass,
    Keep,
    KeepShown,
    ReplyTo,
    Rotate,
    Saved,
    Send,
    UseGlass,
)
from bot.services.dispatch import STALE, Dispatcher, Route, table
from bot.services.messages import Publisher
from bot.services.pages import FormPage, Page, TextPage
from bot.services.ports.store import Change
from bot.services.requests.submit import SENT_ALREADY
from bot.services.requests.transitions import ROUNDS, Transitions
from bot.services.surfaces import SurfaceKind
from bot.store import Store
from tests.support import build
from tests.support.build import DANA, ERIN
from tests.support.composed import a_store, keep
from tests.support.fakes import FakeSlack, TestClock

APPROVE, DELETE = Approve(RequestId("R1")), Delete(KeyId("KEY0000000000001"), "CONFIRM", "not used any more")


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A command that nobody wrote a row for."""

    kind: Literal["made-up"] = "made-up"


@dataclass(slots=True)
class Slack(FakeSlack):
    """A Slack that may not take an answer."""

    wrong: Exception | None = None

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        if self.wrong:
            raise self.wrong
        self.pages.append(page)

    async def open_page(self, trigger: str, page: Page) -> None:
        if self.wrong:
            raise self.wrong
        self.opened.append((trigger, page))


@dataclass(slots=True)
class Service:
    """Fails as told, then answers; counts how often it was asked."""

    fails: list[Exception] = field(default_factory=list[Exception])
    says: Page | str | None = "It is done."
    asked: int = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What happens while it is at work."""

    async def run(self, _: Deed, click: Click) -> Page | str | None:
        self.asked += 1
        if self.meanwhile:
            await self.meanwhile()
        if self.fails:
            raise self.fails.pop(0)
        return self.says


@dataclass(slots=True)
class Office:
    """A dispatcher with one row, before a store and a Slack."""

    store: Store
    clock: TestClock
    slack: Slack
    service: Service
    homes: list[tuple[SlackUserId, str]] = field(default_factory=list[tuple[SlackUserId, str]])
    """Whose Home was drawn again, with which answer on it."""

    async def answer(self, deed: Any, **fields: Any) -> list[Page]:
        """Someone clicks in a modal; returns the pages that were shown for it."""
        click = build.a_click(deed, at=self.clock(), reply=ReplyTo(view="V1"))
        row = Route(type(deed), self.service.run, "Done", **fields)
        await self.dispatcher(row).carry_out(click)
        return self.slack.pages

    def dispatcher(self, *rows: Route[Any]) -> Dispatcher:
        transitions = Transitions(self.store.requests, self.store.audit, self.clock, lambda: None)
        publisher = Publisher(self.store.posts, self.slack, self.slack, self.clock)
        return Dispatcher(rows, transitions, self.slack, publisher, self.store.inbox, self.store.cache, self.home)

    async def home(self, user: SlackUserId, said: str) -> None:
        self.homes.append((user, said))


@pytest.fixture
def office() -> Office:
    clock = TestClock()
    store = a_store(FakeAsyncRedis(), clock)
    return Office(store, clock, Slack([DANA, ERIN]), Service())


def rows() -> tuple[Route[Any], ...]:
    nobody: Any = Anybody()
    return table(nobody, nobody, nobody, nobody, nobody, nobody, nobody)


class Anybody:
    """A service of which nothing is asked."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[str]]:
        async def never(*_: object) -> str:
            raise AssertionError(name)

        return never


def test_each_command_has_exactly_one_row() -> None:
    assert Counter(row.command for row in rows()) == Counter(set(get_args(Deed)) - {Anyway})


def test_what_is_done_to_a_request_stands_on_one_of_its_messages() -> None:
    assert {row.command for row in rows() if row.stands_on} == set(get_args(Act))


def test_what_is_asked_for_a_key_opens_a_request() -> None:
    assert {row.command for row in rows() if row.opens} == {Edit, Delete, Rotate, Extend, Send, UseGlass}


def test_whoever_answers_with_a_sentence_has_a_title_for_it() -> None:
    assert {row.command for row in rows() if not row.title} == {Check, Back, Glass, Keep, KeepShown, Saved, FoundLeak}


async def test_a_sentence_is_shown_under_the_title_of_its_row(office: Office) -> None:
    assert await office.answer(APPROVE) == [TextPage("Done", "It is done.")]


AT_HOME = ReplyTo(home="T1")


async def test_a_result_of_a_click_on_home_stands_on_home(office: Office) -> None:
    row = Route(Approve, office.service.run, "Approved")
    await office.dispatcher(row).carry_out(build.a_click(APPROVE, at=office.clock(), reply=AT_HOME))

    assert office.homes == [(build.a_click(APPROVE).by, "It is done.")]
    assert (office.slack.opened, office.slack.said, office.slack.pages) == ([], [], [])


async def test_a_refusal_of_a_click_on_home_is_a_modal_and_home_is_drawn_again(office: Office) -> None:
    office.service.fails = [Refused("You may not.")]
    row = Route(Approve, office.service.run, "Approved")
    await office.dispatcher(row).carry_out(build.a_click(APPROVE, at=office.clock(), reply=AT_HOME))

    assert office.slack.opened == [("T1", TextPage("Couldn't do that", "You may not."))]
    assert [said for _, said in office.homes] == [""]
    assert office.slack.said == []


async def test_a_refusal_that_comes_too_late_for_a_modal_stands_on_home(office: Office) -> None:
    office.service.fails = [Refused("You may not.")]
    office.slack.wrong = Undeliverable("expired_trigger_id", lasting=True)
    row = Route(Approve, office.service.run, "Approved")
    await office.dispatcher(row).carry_out(build.a_click(APPROVE, at=office.clock(), reply=AT_HOME))

    assert [said for _, said in office.homes] == ["You may not."]
    assert office.slack.said == []


async def test_who_was_told_on_home_to_wait_reads_the_end_in_a_message(office: Office) -> None:
    click = build.a_click(APPROVE, at=office.clock(), reply=AT_HOME, tries=1)
    await office.dispatcher(Route(Approve, office.service.run, "Approved")).carry_out(click)

    assert office.slack.said == [(click.by, "It is done.")]
    assert office.homes == []


async def test_a_page_is_shown_as_it_is_and_nothing_where_there_is_nothing_to_say(office: Office) -> None:
    office.service.says = None
    assert await office.answer(APPROVE) == []
    office.service.says = TextPage("Other", "A page.")
    assert await office.answer(APPROVE) == [TextPage("Other", "A page.")]


async def test_a_command_without_a_row_is_logged_and_told(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    click = build.a_click(MadeUp(), at=office.clock(), reply=ReplyTo(view="V1"))  # type: ignore[arg-type] # a command that there is not

    await office.dispatcher(Route(Approve, office.service.run)).carry_out(click)

    (page,) = office.slack.pages
    assert isinstance(page, TextPage)
    assert (page.title, click.id in page.text) == ("Something went wrong", True)
    assert caplog.messages == ["click failed"]
    assert office.service.asked == 0


async def test_a_command_is_carried_out_again_while_others_are_quicker(office: Office) -> None:
    office.service.fails = [Conflict("Somebody was faster."), Conflict("Somebody was faster.")]

    assert await office.answer(APPROVE) == [TextPage("Done", "It is done.")]
    assert office.service.asked == 3


async def test_who_is_never_quick_enough_is_told(office: Office) -> None:
    office.service.fails = [Conflict("Somebody was faster.")] * ROUNDS

    (page,) = await office.answer(APPROVE)

    assert isinstance(page, TextPage)
    assert page.title == "Couldn't do that"
    assert "Nothing changed" in page.text


async def test_a_refusal_is_told_once_with_what_was_typed(office: Office) -> None:
    office.service.fails = [Refused("You may not.")]

    assert await office.answer(Deny(RequestId("R1"), "not here")) == [
        TextPage("Couldn't do that", "You may not.", typed="not here"),
    ]
    assert office.service.asked == 1


async def test_t10_who_sits_in_front_of_the_form_is_told_at_once(office: Office) -> None:
    office.service.fails = [Unavailable("Confluent Cloud didn't answer.", again="Try again in a minute.")]

    (page,) = await office.answer(Check(Draft()))

    assert page == TextPage(
        "Couldn't do that", "Confluent Cloud didn't answer. Try again in a minute.", back="click-check"
    )


async def test_a_bug_is_told_without_its_details(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.service.fails = [KeyError("marker")]

    (page,) = await office.answer(Check(Draft()))

    assert isinstance(page, TextPage)
    assert (page.title, page.back) == ("Something went wrong", "click-check")
    assert "marker" not in page.text
    assert caplog.messages == ["click failed"]


async def test_t10_a_click_of_an_hour_ago_does_nothing_and_says_so(office: Office) -> None:
    click = build.a_click(APPROVE, at=office.clock())
    office.clock.advance(STALE * 1.1)

    await office.dispatcher(Route(Approve, office.service.run)).carry_out(click)

    ((who, said),) = office.slack.said
    assert (office.service.asked, who) == (0, click.by)
    assert said.startswith("Latchkey couldn't act on your click from ")


async def sent(office: Office) -> None:
    """The request that the click opens is there."""
    request = build.pending(ask=build.an_ask(id=RequestId(f"click-{DELETE.kind}")))
    await office.store.requests.commit(Change(None, request, office.clock(), build.submitted(request)))


def of_click(_: Deed, click: Click) -> str:
    return click.id


async def test_what_opens_a_request_is_not_carried_out_once_that_is_there(office: Office) -> None:
    await sent(office)

    assert await office.answer(DELETE, opens=of_click) == [TextPage("Done", SENT_ALREADY)]
    assert office.service.asked == 0


IN_THE_WAY: dict[str, LatchkeyError | Page] = {
    "refused": Refused("Somebody changed this key."),
    "gone": NotFound("There is no such key."),
    "refused by Confluent": CloudRefused(status=403, detail="Forbidden", reference="R-1"),
    "taken": FormPage(Draft(), {"name": "There is one of this name."}),
}


@pytest.fixture(params=IN_THE_WAY)
def stopped(office: Office, request: pytest.FixtureRequest) -> Office:
    """A service that something stands in the way of."""
    stands = IN_THE_WAY[request.param]
    if isinstance(stands, Exception):
        office.service.fails = [stands]
    else:
        office.service.says = stands
    return office


async def test_who_clicked_twice_reads_nothing_of_what_the_first_click_did(stopped: Office) -> None:
    stopped.service.meanwhile = partial(sent, stopped)  # by the other process
    assert await stopped.answer(DELETE, opens=of_click) == [TextPage("Done", SENT_ALREADY)]


async def test_what_stands_in_the_way_of_a_first_click_is_told(stopped: Office) -> None:
    assert TextPage("Done", SENT_ALREADY) not in await stopped.answer(DELETE, opens=of_click)
    assert stopped.slack.pages


async def test_t10_a_lost_answer_is_given_again_and_nothing_else_is_done_again(office: Office) -> None:
    office.slack.wrong = Unavailable("Slack did not answer.")
    click = build.a_click(APPROVE, at=office.clock(), reply=ReplyTo(view="V1"))
    dispatcher = office.dispatcher(Route(Approve, office.service.run, "Done", SurfaceKind.CARD))

    again = await dispatcher.carry_out(click)
    assert again is not None
    kept = await office.store.inbox.get(click.name)
    assert kept is not None
    office.slack.wrong, office.clock.now = None, again

    assert await dispatcher.carry_out(kept) is None
    assert office.slack.pages == [TextPage("Done", "It is done.")]
    assert office.service.asked == 1


async def test_an_answer_that_slack_never_takes_is_given_up_after_an_hour(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.slack.wrong = Unavailable("Slack did not answer.")
    click: Click | None = build.a_click(APPROVE, at=office.clock(), reply=ReplyTo(view="V1"))
    dispatcher, begun = office.dispatcher(Route(Approve, office.service.run, "Done")), office.clock()

    while click is not None and (again := await dispatcher.carry_out(click)) is not None:
        office.clock.now, click = again, await office.store.inbox.get(click.name)

    assert caplog.messages == ["couldn't answer a click"]
    assert STALE * 0.9 < office.clock() - begun <= STALE


async def test_a_lost_page_is_drawn_again(office: Office) -> None:
    office.slack.wrong = Unavailable("Slack did not answer.")
    office.service.says = FormPage(Draft())

    with pytest.raises(Unavailable):
        await office.answer(Back("D1"))


async def test_an_answer_that_slack_refuses_is_logged_and_given_up(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.slack.wrong = Undeliverable("expired_trigger_id", lasting=True)

    await office.answer(APPROVE, stands_on=SurfaceKind.CARD)

    assert caplog.messages == ["couldn't reach the person who clicked"]


SEND = Send("D1")


@dataclass(slots=True)
class Closed:
    """A click whose modal was closed as it was sent, and the messages that come of it."""

    office: Office
    messages: list[TextPage] = field(default_factory=list[TextPage])

    async def say(self, _to: object, _reply: object, page: TextPage) -> None:
        self.messages.append(page)

    async def send(self, **fields: Any) -> list[TextPage]:
        click = build.a_click(SEND, at=self.office.clock(), reply=ReplyTo(), **fields)
        row = Route(Send, self.office.service.run, "Create an API key", opens=lambda deed, _: deed.draft)
        await self.office.dispatcher(row).carry_out(click)
        return self.messages


@pytest.fixture
def closed(office: Office, monkeypatch: pytest.MonkeyPatch) -> Closed:
    found = Closed(office)
    monkeypatch.setattr(Slack, "say", lambda _, to, reply, page: found.say(to, reply, page))
    return found


async def test_a_closed_modal_that_was_sent_says_nothing(closed: Closed) -> None:
    closed.office.service.says = None
    assert await closed.send() == []


@pytest.mark.parametrize("stands", [None, Refused("It is taken."), FormPage(Draft(), {"name": "Taken."})])
async def test_a_closed_modal_that_was_sent_twice_says_nothing(closed: Closed, stands: Any) -> None:
    service, first = closed.office.service, await closed.send()
    assert first
    request = build.pending(ask=build.an_ask(id=RequestId("D1")))
    await keep(closed.office.store, request)
    closed.messages.clear()
    if isinstance(stands, Exception):
        service.fails = [stands]
    else:
        service.says = stands
    assert await closed.send() == []


async def test_what_refuses_a_closed_form_is_a_message_that_opens_it_again(closed: Closed) -> None:
    closed.office.service.fails = [Refused("The policy forbids it.")]
    (said,) = await closed.send()
    assert (said.text, said.back) == ("The policy forbids it.", "D1")


async def test_what_is_wrong_in_a_closed_form_is_said_with_its_name(closed: Closed) -> None:
    closed.office.service.says = FormPage(Draft(name="<orders>"), {"resource": "This cluster no longer exists."})
    (said,) = await closed.send()
    assert said.text == "⚠️ Your request “&lt;orders&gt;” wasn't sent. This cluster no longer exists."
    assert said.back == "D1"


async def test_a_closed_form_that_is_tried_again_offers_no_second_one_meanwhile(closed: Closed) -> None:
    closed.office.service.fails = [Unavailable("Confluent Cloud didn't answer.")]
    (said,) = await closed.send()
    assert "Latchkey will keep trying" in said.text
    assert said.back == ""
