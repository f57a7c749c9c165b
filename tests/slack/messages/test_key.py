"""What the requester reads about a key: true of both keys of a pair, of break-glass, and once its secret was viewed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.keys import Operation
from bot.domain.readiness import OtherKey, Probe
from bot.domain.requests import Confirmed, Life, ReplacedKey, Request, Unclaimed, Undelivered
from bot.slack.messages import card
from bot.slack.messages import key as messages
from bot.slack.messages.key import Message
from bot.slack.messages.request import asked
from sandbox.slack.blocks import interactive, plain_words
from sandbox.slack.limits import block_problems
from tests.support import build
from tests.support.build import DAY, NOW

ASK = build.an_ask(also=build.REGISTRY)
OTHER = OtherKey(build.a_key("KEY0000000000002", "[lk:R1-2/1]"), build.ENDPOINTS, Probe(next_at=NOW))
LIFE = Life(probe=Probe(next_at=NOW), other=OTHER)
READY = build.ready(ask=ASK, life=LIFE)
SHOWN = build.shown(ask=ASK, life=LIFE)
CONFIRMED = SHOWN.then(Confirmed, shown_at=NOW, at=NOW, life=LIFE)
LOST = READY.then(Undelivered, why="Slack didn't accept it.", at=NOW, news=True)
LEFT = replace(LOST, deleted_at=NOW, left=OTHER.key.id)
FAILED = replace(build.failed(), ask=ASK, left=OTHER.key.id)
WORKS = "KEY0000000000002 for Schema Registry couldn't be deleted yet, so it still works."


def read(message: Message) -> str:
    return " ".join(plain_words(message[0]))


def buttons(message: Message) -> list[str]:
    return [element["text"]["text"] for _, element in interactive(message[0]) if element["type"] == "button"]


@pytest.mark.parametrize("request_", [READY, SHOWN, CONFIRMED])
def test_both_keys_of_a_pair_are_named_as_long_as_the_message_is_about_both(request_: Request) -> None:
    assert "for orders-dev and Schema Registry" in read(messages.key(request_, 1))


def test_a_key_of_a_pair_that_went_its_own_way_is_named_alone() -> None:
    alone = replace(SHOWN, life=replace(LIFE, other=None))

    assert "and Schema Registry" not in read(messages.key(alone, 1))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (messages.key(READY, 1), ["Show secrets"]),
        (messages.claim(READY, 1), ["Show secrets"]),
        (messages.key(SHOWN, 1), ["Replace keys", "Manage Kafka key", "Manage Schema Registry key"]),
        (messages.key(CONFIRMED, 1), ["Manage Kafka key", "Manage Schema Registry key"]),
        (messages.lost(LOST, 1), ["Replace keys", "Request again"]),
        (messages.key(build.ready(), 1), ["Show secret"]),
        (messages.key(build.shown(), 1), ["Manage key", "Replace key"]),
    ],
)
def test_buttons_say_whether_there_are_two_keys(message: Message, expected: list[str]) -> None:
    assert buttons(message) == expected
    assert block_problems(message[0], "message") == []


@pytest.mark.parametrize("message", [messages.lost(LEFT, 1), messages.key(LEFT, 1), messages.key(FAILED, 1)])
def test_a_key_of_a_pair_that_still_works_comes_first_and_no_message_says_that_there_is_none(message: Message) -> None:
    said = read(message)

    assert said.startswith("⚠️ Key ")
    assert WORKS in said
    assert "no key" not in said.lower()
    assert "and Schema Registry (" not in said or "Your request for keys" in said


def test_a_reply_has_one_sign_and_says_what_became_of_the_keys() -> None:
    refused = build.ready().then(Unclaimed, at=NOW, news=True)
    cases: dict[str, tuple[Request, str]] = {
        "left": (LEFT, f"⚠️ : Slack didn't accept it. Key {WORKS}"),
        "pair": (replace(LOST, deleted_at=NOW), "🗑️ : Slack didn't accept it. Both keys were deleted."),
        "deleted": (replace(refused, deleted_at=NOW), "🗑️ : The secret wasn't viewed in time. The key was deleted."),
        "refused": (
            replace(refused, tries=2),
            "⚠️ : The secret wasn't viewed in time. The key couldn't be deleted yet, so it still works.",
        ),
    }

    for request, said in cases.values():
        assert read(messages.lost(request, 1, is_reply=True)).replace(f"<@{ASK.requester.slack}>", "").startswith(said)
    assert messages.lost(cases["refused"][0], 1)[1].endswith("for orders-dev couldn't be deleted yet and still works")


def test_a_key_that_is_being_replaced_offers_no_second_replacement_and_none_is_claimed_if_the_approval_ended() -> None:
    follows = build.ready().then(Undelivered, why="You requested another key in its place.", at=NOW, reissue=True)
    ended = replace(follows, deleted_at=NOW, news=True)

    assert buttons(messages.key(follows, 1)) == []
    assert "You requested a new key in its place." in read(messages.key(follows, 1))
    assert "The approval expired before a new key could be created." in read(messages.lost(ended, 1, is_reply=True))
    assert " requested a new key in its place, but the approval expired first." in str(card.card(ended)[0])

    # The message was posted before, when the deletion took longer.
    assert buttons(messages.lost(follows, 1)) == []
    assert [block["type"] for block in messages.lost(follows, 1)[0]] == ["rich_text"]
    assert buttons(messages.lost(ended, 1)) == ["Request again"]


def test_two_keys_are_replaced_by_two() -> None:
    follow = replace(LOST, reissue=True, news=False)
    ended = replace(follow, deleted_at=NOW, news=True)

    assert "You requested new keys in their place." in read(messages.key(follow, 1))
    assert "The approval expired before new keys could be created." in read(messages.lost(ended, 1, is_reply=True))
    assert " requested new keys in their place." in str(card.card(follow)[0])
    assert " requested new keys in their place, but the approval expired first." in str(card.card(ended)[0])


@pytest.mark.parametrize("message", [messages.claim, lambda request, _: messages.end(request)])
def test_a_message_about_what_is_over_names_the_key_that_still_works(
    message: Callable[[Request, int], Message],
) -> None:
    assert read(message(LEFT, 1)) == (
        f"⚠️ Key {WORKS} Latchkey will keep trying. To stop it now, delete it in Confluent Cloud."
    )


def test_a_reminder_is_about_one_key_of_a_pair() -> None:
    expiring = replace(SHOWN, life=replace(LIFE, ends_at=NOW + 30 * DAY, reminded=1))

    assert "Schema Registry" not in read(messages.reminder(expiring))
    assert read(messages.reminder(SHOWN)).startswith("✅ Your key KEY0000000000001 for orders-dev (")
    assert "Schema Registry" not in read(messages.reminder(SHOWN))


def test_the_notification_says_so_too() -> None:
    for _, text in (messages.lost(LEFT, 1), messages.key(FAILED, 1)):
        assert text == "One of your API keys for orders-dev couldn't be deleted yet and still works"


def test_a_key_that_still_works_has_not_the_sign_of_one_that_expired() -> None:
    expiring = build.shown(life=Life(ends_at=NOW + 30 * DAY, reminded=1))

    assert read(messages.reminder(expiring)).startswith("⚠️ Your key ")


def test_what_latchkey_promised_to_say_of_a_key_is_settled_when_its_secret_is_viewed() -> None:
    """Without the sealed secret there are no more tests, whatever the second key's own record said last."""
    promise, end = "will update this message", "Latchkey stopped testing"

    assert promise in read(messages.key(READY, 1))
    for shown in (SHOWN, build.shown()):
        assert promise not in read(messages.key(shown, 1))
        assert end in read(messages.key(shown, 1))
    assert promise not in read(messages.key(CONFIRMED, 1))
    assert end not in read(messages.key(CONFIRMED, 1))


def test_of_a_pair_what_is_known_of_one_key_and_not_of_the_other_is_said() -> None:
    half = replace(LIFE, other=replace(OTHER, probe=Probe("works", NOW)))

    said = read(messages.key(build.shown(ask=ASK, life=half), 1))

    assert "Kafka: Latchkey stopped testing this key when you viewed its secret." in said
    assert "Schema Registry: Working since" in said


def test_a_key_by_break_glass_was_approved_by_no_one_and_is_deleted_either_way() -> None:
    making, ends = (
        build.broken_glass(build.approved()),
        build.broken_glass(build.ready(claim_by=NOW + 4 * build.HOUR)),
    )

    assert "is approved" not in read(messages.key(making, 1))
    assert "was sent with break-glass" in messages.key(making, 1)[1]
    assert "either way" in read(messages.key(ends, 1))
    assert "If you don't" not in read(messages.key(ends, 1))
    assert "If you don't view it by" in read(messages.key(build.ready(), 1))


def test_a_rotation_that_needed_no_approval_does_not_claim_one() -> None:
    ask = build.a_change(Operation.ROTATE)
    alone = replace(build.approved(ask=ask), grant=replace(build.a_grant(), approvals=()))

    assert "needs no approval" in read(messages.key(alone, 1))


def test_a_rotation_names_the_key_that_its_state_is_about() -> None:
    ask = build.a_change(Operation.ROTATE, overlap=2 * DAY)
    life = Life(former=ReplacedKey(NOW + DAY))
    ready, shown = build.ready(ask=ask), build.shown(ask=ask, life=life)
    unclaimed = ready.then(Unclaimed, at=NOW, deleted_at=NOW)

    assert "Secret waiting: Kafka API key KEY0000000000001" in read(asked(ready))
    assert "Rotated: Kafka API key KEY0000000000009" in read(asked(shown))
    assert "Deleted: Kafka API key KEY0000000000001" in read(asked(unclaimed))


@pytest.mark.parametrize(("kept", "until"), [(2 * DAY, "2 days after"), (timedelta(), "as soon as")])
def test_a_new_key_says_which_one_it_replaces_and_when_that_is_deleted(kept: timedelta, until: str) -> None:
    ready = build.ready(ask=build.a_change(Operation.ROTATE, overlap=kept))
    gone = replace(ready, grant=replace(ready.grant, replaced_at=NOW))

    says = f"It replaces KEY0000000000009, which is deleted {until} you view the secret."
    assert says in read(messages.key(ready, 1))
    assert "It replaces" not in read(messages.key(gone, 1))
    assert "It replaces" not in read(messages.key(build.ready(), 1))


def test_a_card_says_when_the_old_key_is_deleted_once_that_is_known() -> None:
    ask, tried = build.a_change(Operation.ROTATE, overlap=2 * DAY), ReplacedKey(NOW, tries=1)

    def old(now: Request) -> str:
        return read(card.card(now)).partition("Old key")[2].strip("* \n")

    assert old(build.ready(ask=ask)).startswith("deleted 2 days after the new secret is viewed")
    for former in (ReplacedKey(NOW + DAY), ReplacedKey(NOW, deleted_at=NOW + DAY)):
        moment = old(build.shown(ask=ask, life=Life(former=former))).removeprefix("deleted ")
        assert moment.startswith(f"<!date^{int((NOW + DAY).timestamp())}^")
    assert old(build.shown(ask=ask, life=Life(former=tried))).startswith("couldn't be deleted yet, so it still works")
    gone = build.ready(ask=ask, grant=replace(build.a_grant(), replaced_at=NOW))
    assert old(gone).startswith(f"deleted <!date^{int(NOW.timestamp())}^")
