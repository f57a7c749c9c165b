"""One row for each command, and an answer to every click, whatever became of it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.errors import Conflict, LatchkeyError, Refused, Unavailable, Undeliverable
from bot.domain.keys import KeyId, RequestId
from bot.services.commands import (
    Act,
    Approve,
    Change,
    Check,
    Click,
    Deed,
    Delete,
    Deny,
    Draft,
    Edit,
    Extend,
    Keep,
    ReplyTo,
    Rotate,
    Saved,
)
from bot.services.dispatch import STALE, Dispatcher, Row, table
from bot.services.messages import Publisher
from bot.services.pages import Page, TextPage
from bot.services.ports.store import Change as Write
from bot.services.requests.submit import SENT_ALREADY
from bot.services.requests.transitions import ROUNDS, Transitions
from bot.services.surfaces import SurfaceKind
from bot.store import Store
from tests.support import build
from tests.support.build import DANA, ERIN
from tests.support.composed import a_store
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


@dataclass(slots=True)
class Service:
    """Fails as told, then answers; counts how often it was asked."""

    fails: list[Exception] = field(default_factory=list[Exception])
    says: Page | str | None = "It is done."
    asked: int = 0

    async def run(self, _: Deed, click: Click) -> Page | str | None:
        self.asked += 1
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

    async def answer(self, deed: Any, **fields: Any) -> list[Page]:
        """Somebody clicks in a modal; returns the pages that were shown for it."""
        click = build.a_click(deed, at=self.clock(), reply=ReplyTo(view="V1"))
        row = Row(type(deed), self.service.run, "Done", **fields)
        await self.dispatcher(row).carry_out(click)
        return self.slack.pages

    def dispatcher(self, *rows: Row[Any]) -> Dispatcher:
        transitions = Transitions(self.store.requests, self.store.audit, self.clock, lambda: None)
        return Dispatcher(rows, transitions, self.slack, Publisher(self.store.posts, self.slack, self.clock))


@pytest.fixture
def office() -> Office:
    clock = TestClock()
    store = a_store(FakeAsyncRedis(), clock)
    return Office(store, clock, Slack([DANA, ERIN]), Service())


def rows() -> tuple[Row[Any], ...]:
    nobody: Any = Anybody()
    return table(nobody, nobody, nobody, nobody, nobody.keep)


class Anybody:
    """A service of which nothing is asked."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[str]]:
        async def never(*_: object) -> str:
            raise AssertionError(name)

        return never


def test_each_command_has_exactly_one_row() -> None:
    assert Counter(row.command for row in rows()) == Counter(get_args(Deed))


def test_what_is_done_to_a_request_stands_on_one_of_its_messages() -> None:
    assert {row.command for row in rows() if row.stands_on} == set(get_args(Act))


def test_what_is_asked_for_a_key_opens_a_request() -> None:
    assert {row.command for row in rows() if row.opens} == {Edit, Delete, Rotate, Extend}


def test_whoever_answers_with_a_sentence_has_a_title_for_it() -> None:
    assert {row.command for row in rows() if not row.title} == {Check, Change, Keep, Saved}


async def test_a_sentence_is_shown_under_the_title_of_its_row(office: Office) -> None:
    assert await office.answer(APPROVE) == [TextPage("Done", "It is done.")]


async def test_a_page_is_shown_as_it_is_and_nothing_where_there_is_nothing_to_say(office: Office) -> None:
    office.service.says = None
    assert await office.answer(APPROVE) == []
    office.service.says = TextPage("Other", "A page.")
    assert await office.answer(APPROVE) == [TextPage("Other", "A page.")]


async def test_a_command_without_a_row_is_logged_and_told(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    click = build.a_click(MadeUp(), at=office.clock(), reply=ReplyTo(view="V1"))  # type: ignore[arg-type] # a command that there is not

    await office.dispatcher(Row(Approve, office.service.run)).carry_out(click)

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
    assert page.title == "Not done"
    assert "Your click changed nothing" in page.text


@pytest.mark.parametrize("error", [Refused("You may not."), Unavailable("Confluent Cloud did not answer.")])
async def test_a_failure_is_told_once_with_what_was_typed(office: Office, error: LatchkeyError) -> None:
    office.service.fails = [error]

    assert await office.answer(Deny(RequestId("R1"), "not here")) == [
        TextPage("Not done", error.tell, typed="not here"),
    ]
    assert office.service.asked == 1


async def test_a_bug_is_told_without_its_details(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.service.fails = [KeyError("marker")]

    (page,) = await office.answer(Check(Draft()))

    assert isinstance(page, TextPage)
    assert (page.title, page.back) == ("Something went wrong", "click-check")
    assert "marker" not in page.text
    assert caplog.messages == ["click failed"]


async def test_a_click_of_an_hour_ago_does_nothing(office: Office) -> None:
    click = build.a_click(APPROVE, at=office.clock())
    office.clock.advance(STALE * 1.1)

    await office.dispatcher(Row(Approve, office.service.run)).carry_out(click)

    assert (office.service.asked, office.slack.said) == (0, [])


async def test_what_opens_a_request_is_not_carried_out_once_that_is_there(office: Office) -> None:
    request = build.pending(ask=build.an_ask(id=RequestId(f"click-{DELETE.kind}")))
    await office.store.requests.commit(Write(None, request, office.clock(), build.submitted(request)))

    assert await office.answer(DELETE, opens=True) == [TextPage("Done", SENT_ALREADY)]
    assert office.service.asked == 0


async def test_a_lost_answer_about_a_request_is_not_repeated(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.slack.wrong = Unavailable("Slack did not answer.")

    await office.answer(APPROVE, stands_on=SurfaceKind.CARD)

    assert caplog.messages == ["an answer is lost"]


async def test_a_lost_page_is_drawn_again(office: Office) -> None:
    office.slack.wrong = Unavailable("Slack did not answer.")

    with pytest.raises(Unavailable):
        await office.answer(Change("D1"))


async def test_a_refused_answer_is_for_the_worker_to_judge(office: Office) -> None:
    office.slack.wrong = Undeliverable("expired_trigger_id", lasting=True)

    with pytest.raises(Undeliverable):
        await office.answer(APPROVE, stands_on=SurfaceKind.CARD)
