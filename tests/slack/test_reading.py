"""What people read is true, said once, and begins with what they have to do."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from bot.domain.access import WantedBinding
from bot.domain.keys import MyAccount, Operation, OrganizationScope, RequestId, Resource
from bot.domain.kinds import Kind
from bot.domain.requests import Done, Ready, Request
from bot.services.browse.home import HomePage, Uses
from bot.services.commands import Cancel
from bot.services.pages import KeyPage, KeyView
from bot.slack.blocks.text import Block
from bot.slack.messages import answers, card
from bot.slack.messages import key as key_messages
from bot.slack.messages import request as request_messages
from bot.slack.messages.state import state
from bot.slack.payloads import ids, read
from bot.slack.views import home
from bot.slack.views import key as key_pages
from bot.slack.views import pages as all_pages
from sandbox.slack.blocks import interactive, plain_words
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FEMI, FLINK
from tests.texts import surfaces

IN_CLUSTER = f"environment={CLUSTER.environment}/cloud-cluster={CLUSTER.id}/kafka={CLUSTER.id}"
WRITES = WantedBinding("DeveloperWrite", f"{IN_CLUSTER}/topic=orders-*")


def words(blocks: Sequence[Block]) -> str:
    return " ".join(plain_words(list(blocks)))


def buttons(blocks: Sequence[Block]) -> list[str]:
    return [each["text"]["text"] for _, each in interactive(list(blocks)) if each["type"] == "button"]


@pytest.mark.parametrize(
    ("resource", "table", "counts"),
    [
        (build.CLUSTER, "documented", True),
        (FLINK, "documented", False),
        (OrganizationScope(Kind.CLOUD), "documented", False),
        (FLINK, "2026", True),
    ],
)
def test_the_owner_of_an_account_is_named_as_an_approver_only_where_owning_it_is_enough(
    resource: Resource, table: str, *, counts: bool
) -> None:
    ask = build.an_ask(owner=ACCOUNT, resource=resource)
    request = build.pending(ask=ask, terms=build.terms(table=table))

    assert ("owners of the service account" in words(card.card(request)[0])) is counts


def test_a_key_of_ones_own_account_says_whose_it_is_to_whoever_reads() -> None:
    request = build.pending(ask=build.an_ask(owner=MyAccount(DANA.principal)))

    assert "in dev, Dana's own account" in words(answers.waiting_blocks([request]))
    assert "in dev, your own account" in words(answers.own_blocks([request]))


def test_a_list_names_all_that_one_approval_creates_and_grants() -> None:
    ask = build.an_ask(owner=build.NEW, also=build.REGISTRY, bindings=(WRITES,))
    glass = build.broken_glass(build.shown(ask=ask))

    for shown in (
        answers.waiting_blocks([build.pending(ask=ask)]),
        answers.requests_blocks([], [build.pending(ask=ask)]),
        answers.use_blocks(Uses([glass])),
    ):
        assert "Kafka API key for orders-dev and Schema Registry API key in dev, new account payments" in words(shown)
        assert "Access: DeveloperWrite on topics starting with orders-" in words(shown)


def test_a_change_of_somebody_elses_key_does_not_call_the_account_that_of_who_asked() -> None:
    ask = build.an_ask(requester=ERIN, operation=Operation.DELETE, owner=MyAccount(DANA.principal), key=build.a_key())
    request = build.pending(ask=ask)

    for shown in (card.card(request)[0], request_messages.asked(request)[0]):
        assert f"another person's (`{DANA.principal}`)" in words(shown).replace(
            f"({DANA.principal})", f"(`{DANA.principal}`)"
        )
    for shown in (answers.waiting_blocks([request]), answers.own_blocks([request])):
        assert "in dev, another person's account" in words(shown)


def test_a_key_that_was_gone_already_is_not_said_to_be_deleted_by_the_request() -> None:
    ask = build.an_ask(operation=Operation.DELETE, key=build.a_key())
    done = Done(
        ask,
        build.terms(),
        build.a_grant(ask=ask),
        1,
        at=build.NOW,
        note="Someone else had already deleted it.",
    )

    said = words(request_messages.asked(done)[0])
    assert "already deleted it" in said
    assert "was deleted" not in said


def test_a_command_that_does_not_exist_is_not_repeated_at_length() -> None:
    assert len(words(answers.unknown_blocks("x" * 3000))) - len(words(answers.help_blocks())) < 100


def test_a_secret_that_waits_is_to_be_found() -> None:
    ready, shown = build.states()["ready"], build.states()["shown"]
    assert isinstance(ready, Ready)

    at_home, listed = answers.own_blocks([shown, ready]), answers.requests_blocks([shown, ready], [])

    assert "To view it, run /apikey requests and select Show secret." in words(at_home)
    assert "run /apikey requests" not in words(answers.own_blocks([shown]))
    pair = replace(ready, ask=replace(ready.ask, also=build.REGISTRY))
    assert "To view them, run /apikey requests and select Show secrets." in words(answers.own_blocks([pair]))
    assert ids.SHOW not in str(at_home)  # a click at Home has no answer that only its reader sees
    assert str(listed).count(ids.SHOW) == 1
    assert ids.SHOW in str(listed[:5])  # before the others, for the list may be cut


def test_a_button_in_a_list_is_on_nobodys_card_though_the_list_is_a_direct_message() -> None:
    ready, pending = build.states()["ready"], build.pending()
    for row in answers.requests_blocks([ready, pending], [pending]):
        if row["type"] == "actions":
            body = {
                "type": "block_actions",
                "user": {"id": "U01", "team_id": "T01"},
                "container": {"type": "message", "channel_id": "D01", "message_ts": "1.1"},
                "actions": [{**row["elements"][0], "block_id": row["block_id"], "action_ts": "1.2"}],
            }
            assert read.click(body, Cancel(RequestId("R1")), build.NOW).card is None
            body["actions"] = [{"action_id": ids.SHOW, "block_id": "b1", "action_ts": "1.2"}]
            assert read.click(body, Cancel(RequestId("R1")), build.NOW).card is not None


def test_the_page_of_a_key_says_where_its_secret_is_to_whoever_asked_for_it_alone() -> None:
    view = KeyView(build.a_key(), build.ACCOUNT, "orders-service", build.CLUSTER, build.states()["ready"])

    assert "To view it" not in words(key_pages.key(KeyPage(view))["blocks"])
    mine = key_pages.key(KeyPage(replace(view, is_requester=True)))
    assert "To view it, run /apikey requests and select Show secret." in words(mine["blocks"])
    assert ids.SHOW not in str(mine)


def test_home_begins_with_what_waits_for_its_reader_if_anything_does() -> None:
    ours = ("Your API keys", "Your requests")
    trouble = HomePage(trouble="Couldn't load your approvals.")
    for page, order in (
        (HomePage(waiting=[build.pending()]), ("Waiting for your approval", *ours)),
        (trouble, ("Waiting for your approval", *ours)),
        (HomePage(), (*ours, "Waiting for your approval")),
    ):
        said = words(home.home(page)["blocks"])
        headings = [said.index(each) for each in order]
        assert headings == sorted(headings)


def test_home_says_what_latchkey_is_for_only_to_someone_who_has_nothing_there() -> None:
    something = (
        HomePage(requests=[build.pending()]),
        HomePage(waiting=[build.pending()]),
        HomePage(uses=Uses(mine=build.pending())),
        HomePage(notes=("Confluent Cloud didn't answer.",)),
        HomePage(said="Approved “orders producer”."),
    )

    assert answers.INTRODUCTION in words(home.home(HomePage(uses=Uses([])))["blocks"])
    for page in something:
        assert answers.INTRODUCTION not in words(home.home(page)["blocks"])


def test_home_calls_no_list_empty_that_could_not_be_read() -> None:
    unread = words(home.home(HomePage(notes=("Latchkey's store didn't answer.",), is_unread=True))["blocks"])
    partly = words(home.home(HomePage(notes=("Confluent Cloud didn't answer.",)))["blocks"])

    assert "didn't answer" in unread
    for empty in ("No keys yet.", "No requests yet.", "Nothing to approve."):
        assert empty not in unread
    assert "No keys yet." not in partly
    assert "Couldn't load your keys." in partly


def test_an_approver_reads_on_home_how_long_the_key_works_and_who_approved_already() -> None:
    waiting = build.pending(terms=build.terms(approvals=2), approvals=(build.an_approval(FEMI),))

    said = words(home.home(HomePage(waiting=[waiting]))["blocks"])

    assert "Expires: " in said
    assert "Approved by " in said
    assert "Needs 1 more approval" in said


def test_home_says_first_that_a_secret_waits_and_where_it_is_shown() -> None:
    said = words(home.home(HomePage(requests=[build.states()["shown"], build.states()["ready"]]))["blocks"])

    assert said.count("🔑 Secret waiting: ") == 1
    assert said.index("To view it, open Messages or run /apikey requests.") < said.index("Your API keys")
    assert said.count("/apikey requests") == 1


def test_home_says_where_two_secrets_are_shown() -> None:
    ready = build.ready()
    pair = replace(ready, ask=replace(ready.ask, also=build.REGISTRY))
    for requests in ([ready, ready], [pair]):
        said = words(home.home(HomePage(requests=requests))["blocks"])
        assert "To view them, open Messages or run /apikey requests." in said
        assert "Show secret" not in said


def test_home_says_of_each_request_its_state_in_a_sign_and_a_word() -> None:
    for request in build.states().values():
        said = words(home.home(HomePage(requests=[request]))["blocks"])
        assert f"{state(request)} · {request.ask.name}" in said


def test_home_of_a_person_who_cannot_use_latchkey_has_no_button_that_refuses() -> None:
    view = KeyView(build.a_key(), build.ACCOUNT, "orders-service", build.CLUSTER, build.states()["shown"])
    shut = HomePage([view], requests=[build.pending(), build.states()["denied"]], shut="Guests can't.")
    blocks = home.home(shut)["blocks"]

    assert buttons(blocks) == ["Cancel request"]  # which its requester can always do
    assert "Guests can't." in words(blocks)
    assert buttons(home.home(replace(shut, keys=(), requests=()))["blocks"]) == []


def test_whether_a_key_works_is_said_above_the_button_that_shows_its_secret() -> None:
    blocks = key_messages.key(build.ready(), 1)[0]

    assert blocks[-1]["type"] == "actions"
    assert buttons(blocks) == ["Show secret"]


def test_an_old_key_is_kept_with_one_click_and_deleted_with_two() -> None:
    blocks = key_messages.key(build.rotated(), 1)[0]

    keep, drop = (
        each for _, each in interactive(list(blocks)) if each["action_id"] in {ids.KEEP_FORMER, ids.DROP_FORMER}
    )
    assert [keep["text"]["text"], drop["text"]["text"]] == ["Keep 1 more day", "Delete old key now"]
    assert "confirm" not in keep
    assert drop["confirm"]["text"]["text"] == "Anything still using it will stop working. This can't be undone."


def test_a_deleted_key_says_who_deleted_it_and_why() -> None:
    ended, place = build.ended(), "Key `KEY0000000000002` replaced it."

    assert " by <@U0ERIN>.\n" in words(key_messages.end(ended)[0])
    assert " by <@U0ERIN>.\nKey KEY0000000000002 replaced it.\n" in words(
        key_messages.end(replace(ended, why=place))[0]
    )
    assert " expired and was deleted " in words(key_messages.end(replace(ended, by=None))[0])


@pytest.mark.parametrize("message", [key_messages.end, key_messages.reminder])
@pytest.mark.parametrize("is_gone", [False, True])
def test_of_a_key_that_is_not_deleted_yet_nobody_reads_that_it_is_gone(
    message: Callable[[Request], tuple[list[Block], str]], *, is_gone: bool
) -> None:
    ended = replace(build.ended(), deleted_at=build.NOW if is_gone else None, tries=3)

    blocks, notification = message(ended)

    text = f"{words(blocks)} {notification}"
    assert ("was deleted" in text or "Deleted" in text) is is_gone
    assert ("⚠️" in words(blocks)) is not is_gone
    assert "has stopped" not in text or is_gone


def test_no_message_of_a_key_has_a_row_of_red_buttons() -> None:
    """What cannot be undone is on the page of the key; the old key of a rotation alone is deleted from its message."""
    for message in surfaces.messages():
        found = [each for _, each in interactive(list(message.blocks)) if each.get("style") == "danger"]
        assert [each["text"]["text"] for each in found] in ([], ["Deny"], ["Not justified"], ["Delete old key now"]), (
            message.name
        )


def test_the_page_of_a_key_leads_to_confluent_cloud() -> None:
    key = KeyView(build.a_key(), ACCOUNT, "orders-service", build.CLUSTER, None, frozenset())

    assert key_pages.CONSOLE in str(all_pages.page(KeyPage(key)))


@pytest.mark.parametrize("name", ["denied", "expired"])
def test_the_first_message_says_an_ending_in_one_line_for_another_one_has_the_rest(name: str) -> None:
    request = build.states()[name]
    (first,), _ = request_messages.asked(request)

    assert words([first]).count("\n") == 0
    assert words([first]) in words(request_messages.outcome(request)[0])
