"""Every event of Slack's is acknowledged once, at once, and by the listener that it is meant for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.keys import KeyId, Person, Principal, RequestId, TeamId
from bot.domain.kinds import Kind
from bot.services.commands import (
    Anyway,
    Approve,
    Back,
    Cancel,
    CardAt,
    Deed,
    Delete,
    Deny,
    Draft,
    DropFormer,
    Edit,
    Extend,
    Glass,
    Judge,
    Keep,
    KeepFormer,
    KeepShown,
    Question,
    RemoveAccess,
    Replace,
    Reply,
    ReplyTo,
    ReportLeak,
    Rotate,
    Saved,
    Send,
    Show,
    UseGlass,
)
from bot.slack.payloads import ids
from tests.handlers.lobby import CHANNEL, Acks, Lobby, a_lobby, in_modal, on_home, pressed, submitted, typed_command
from tests.support import build
from tests.support.build import DANA, ERIN

KEY = "KEY0000000000001"
R1 = RequestId("R1")
KEPT = '{"request": "R1/2", "name": "orders"}'
ANYTHING = ".*"
STORED: Mapping[str, tuple[str, Deed]] = {
    ids.APPROVE: ("R1/2", Approve(R1, 2)),
    ids.CANCEL: ("R1", Cancel(R1)),
    ids.SHOW: ("R1/2", Show(R1, 2)),
    ids.SAVED: ("R1/2", Saved(R1, 2)),
    ids.REPLACE: ("R1/2", Replace(R1, 2)),
    ids.DROP_FORMER: ("R1/2", DropFormer(R1, 2)),
    ids.REMOVE_ACCESS: ("R1/2", RemoveAccess(R1, 2)),
    ids.KEEP_FORMER: ("R1/2/77", KeepFormer(R1, 2, until=77)),
    ids.REVIEW_BACK: ("R1", Back("R1")),
    ids.ANYWAY: ("held-C1", Anyway("held-C1")),
    ids.GLASS: ("R1", Glass("R1")),
    ids.JUSTIFIED: ("R1", Judge(R1, "justified")),
}
"""Buttons whose click is stored for the worker: their value, and what is stored."""
OPENING: Mapping[str, tuple[str, str]] = {
    ids.CONFIRM: ("R1", "Approve this request"),
    ids.DENY: ("R1", "Deny this request"),
    ids.NOT_JUSTIFIED: ("R1", "Review break-glass"),
    ids.ASK: ("R1", "Ask a question"),
    ids.ANSWER: ("R1/2", "Reply"),
    ids.OPEN_FORM: ("", "Create an API key"),
    ids.ASK_AGAIN: ("R1", "Create an API key"),
    ids.FORM_AGAIN: ("D1", "Create an API key"),
    ids.USE_ACCOUNT: ("R1", "Create an API key"),
    ids.KEY_KEEP: (KEY, "Keep this API key"),
    ids.KEEP_SHOWN: ("sa-1/2", "Keep API keys"),
    ids.KEEP_BASELINE: ("sa-1/2", "Keep API keys"),
    ids.REVIEW_KEYS: ("sa-1/2", "API keys to review"),
    ids.KEY_DETAILS: (KEY, "API key"),
    ids.KEY_EDIT: (KEY, "Edit API key"),
    ids.KEY_ROTATE: (KEY, "Rotate API key"),
    ids.KEY_EXTEND: (KEY, "Extend API key"),
    ids.KEY_DELETE: (KEY, "Delete API key"),
    ids.HELP_LIST: ("", "API keys"),
}
"""Buttons that open a modal: their value, and the title of the modal."""
REDRAWING = (
    ids.FORM_OWNER,
    ids.FORM_KIND,
    ids.FORM_ENVIRONMENT,
    ids.FORM_CLOUD,
    ids.FORM_ACCESS,
    ids.FORM_ALSO,
    ids.LIST_OWNER,
    ids.LIST_KIND,
    ids.LIST_ENVIRONMENT,
    ids.LIST_ORDER,
    ids.LIST_TEXT,
    ids.LIST_NEXT,
    ids.LIST_PREVIOUS,
)
"""What draws the modal again that it stands in."""
ANSWERED = {ids.HELP: "/apikey create", ids.HELP_REQUESTS: "equest", ids.HELP_WHOAMI: "u-dana"}
"""Buttons that are answered with a message, and a word of it."""
SNIPPETS = (ids.SNIPPET, ids.KEY_SNIPPET)
"""Choices of a client configuration."""
SUBMITS: Mapping[str, tuple[dict[str, Any], Deed]] = {
    ids.APPROVAL: (submitted(ids.APPROVAL, KEPT, word=" orders "), Approve(R1, 2, word=" orders ")),
    ids.DENY_REASON: (submitted(ids.DENY_REASON, "R1", reason="Not there"), Deny(R1, "Not there")),
    ids.GLASS_USE: (submitted(ids.GLASS_USE, "R1", reason="Down"), UseGlass("R1", "Down")),
    ids.GLASS_NOTE: (submitted(ids.GLASS_NOTE, "R1", reason="No"), Judge(R1, "not justified", "No")),
    ids.QUESTION: (submitted(ids.QUESTION, "R1", message="Which?"), Question(R1, "Which?")),
    ids.REPLY: (submitted(ids.REPLY, "R1/2", message="All."), Reply(R1, 2, "All.")),
    ids.REVIEW: (submitted(ids.REVIEW, "R1"), Send("R1")),
    ids.KEEP: (
        submitted(ids.KEEP, f'{{"key": "{KEY}", "channel": "C01", "ts": "1.0"}}', reason="We need it"),
        Keep(KeyId(KEY), "We need it", CardAt(CHANNEL, "1.0")),
    ),
    ids.KEEP_SHOWN: (
        submitted(ids.KEEP_SHOWN, f'{{"owner": "sa-1", "keys": "{KEY} K2"}}', reason="We need them"),
        KeepShown(Principal("sa-1"), (KeyId(KEY), KeyId("K2")), "We need them"),
    ),
    ids.EDIT: (
        submitted(ids.EDIT, f"{KEY} seen a b", name="new", description="words"),
        Edit(KeyId(KEY), "new", "words", "seen"),
    ),
    ids.DELETE: (submitted(ids.DELETE, KEY, word="CONFIRM", reason="old"), Delete(KeyId(KEY), "CONFIRM", "old")),
    ids.ROTATE: (
        submitted(
            ids.ROTATE,
            KEY,
            name="new",
            description="words",
            reason="It leaked",
            overlap={ids.KEY_OVERLAP: {"type": "static_select", "selected_option": {"value": "2"}}},
        ),
        Rotate(KeyId(KEY), "new", "words", "It leaked", 2),
    ),
    ids.EXTEND: (
        submitted(
            ids.EXTEND,
            KEY,
            reason="It goes on",
            lasts={ids.KEY_LIFETIME: {"type": "static_select", "selected_option": {"value": "7"}}},
        ),
        Extend(KeyId(KEY), "It goes on", "7"),
    ),
    ids.LEAK: (submitted(ids.LEAK, leaked=f"{KEY.lower()}, `ABCD1234`"), ReportLeak((KeyId(KEY), KeyId("ABCD1234")))),
}
"""Modals whose submit is stored, and what is stored."""
WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    ids.FORM: (submitted(ids.FORM, reason=""), "reason"),
    ids.APPROVAL: (submitted(ids.APPROVAL, KEPT, word="order"), "word"),
    ids.DENY_REASON: (submitted(ids.DENY_REASON, "R1", reason=" "), "reason"),
    ids.GLASS_USE: (submitted(ids.GLASS_USE, "R1", reason=" "), "reason"),
    ids.GLASS_NOTE: (submitted(ids.GLASS_NOTE, "R1", reason=" "), "reason"),
    ids.QUESTION: (submitted(ids.QUESTION, "R1", message=" "), "message"),
    ids.REPLY: (submitted(ids.REPLY, "R1/2", message="x" * 1001), "message"),
    ids.KEEP: (submitted(ids.KEEP, "{}", reason=" "), "reason"),
    ids.KEEP_SHOWN: (submitted(ids.KEEP_SHOWN, "{}", reason=" "), "reason"),
    ids.EDIT: (submitted(ids.EDIT, f"{KEY} seen a b", name="a\nb"), "name"),
    ids.DELETE: (submitted(ids.DELETE, KEY, word="confirm"), "word"),
    ids.ROTATE: (submitted(ids.ROTATE, KEY, name="new", reason=""), "reason"),
    ids.EXTEND: (submitted(ids.EXTEND, KEY, reason=""), "reason"),
    ids.LEAK: (submitted(ids.LEAK, leaked="the key"), "leaked"),
}
"""Modals with something wrong in them, and the field that says so."""
VERBS = ("", "help", "create", "requests", "whoami", "list", "show", "edit", "rotate", "delete", "leaked", "nonsense")


async def heard(it: Lobby, kind: str, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Call the listener; its only answer."""
    acks = Acks()
    await it.app.listeners[kind, name](ack=acks, body=body)
    assert len(acks.said) == 1, "Slack waits for one answer, and takes one"
    return acks.said[0]


async def test_every_listener_is_tried_here() -> None:
    actions = {*STORED, *OPENING, *REDRAWING, *ANSWERED, *SNIPPETS, ANYTHING}
    known = {
        *(("action", name) for name in actions),
        *(("view", name) for name in {*SUBMITS, *WRONG, ids.LIST, ANYTHING}),
        *(("options", name) for name in (*SUGGESTING, ANYTHING)),
        *(("event", name) for name in ("app_home_opened", ANYTHING)),
        *(("shortcut", name) for name in (ids.SHORTCUT_CREATE, ids.SHORTCUT_LEAKED, ANYTHING)),
        ("command", ids.COMMAND),
        ("view_closed", ANYTHING),
    }
    async with a_lobby() as it:
        assert set(it.app.listeners) == known


@pytest.mark.parametrize("action", STORED)
async def test_a_click_is_stored_with_who_made_it_and_then_acknowledged(action: str) -> None:
    value, deed = STORED[action]
    async with a_lobby() as it:
        assert await heard(it, "action", action, pressed(action, value, ERIN)) == {}
        (click,) = await it.clicks()

    assert (click.deed, click.by, click.team, click.at) == (deed, ERIN.slack, ERIN.team, it.clock())
    assert click.card == CardAt(CHANNEL, "1.0")
    assert it.client.calls == []


@pytest.mark.parametrize("action", STORED)
async def test_a_click_that_cannot_be_stored_is_acknowledged_and_said_to_be_lost(action: str) -> None:
    async with a_lobby() as it:
        it.close_the_store()
        assert await heard(it, "action", action, pressed(action, STORED[action][0])) == {}

    assert "Latchkey's store didn't answer." in it.told()


@pytest.mark.parametrize("callback", SUBMITS)
async def test_a_submit_is_stored_and_answered_with_a_page_to_wait_on(callback: str) -> None:
    body, deed = SUBMITS[callback]
    async with a_lobby() as it:
        answer = await heard(it, "view", callback, body)
        (click,) = await it.clicks()

    assert answer["response_action"] == "update"
    assert answer["view"]["external_id"] == click.reply.waiting != ""
    assert (click.deed, click.by, click.reply.view) == (deed, DANA.slack, "V1")


@pytest.mark.parametrize("callback", SUBMITS)
async def test_a_submit_that_cannot_be_stored_keeps_its_modal_and_says_so(callback: str) -> None:
    async with a_lobby() as it:
        it.close_the_store()
        answer = await heard(it, "view", callback, SUBMITS[callback][0])

    assert answer["response_action"] in {"errors", "push"}
    assert "Latchkey's store didn't answer." in str(answer)


@pytest.mark.parametrize("callback", WRONG)
async def test_what_is_wrong_in_a_modal_is_said_under_a_field_of_it_and_nothing_is_stored(
    callback: str,
) -> None:
    body, name = WRONG[callback]
    async with a_lobby() as it:
        answer = await heard(it, "view", callback, body)
        assert await it.clicks() == []

    assert answer["response_action"] == "errors"
    assert name in answer["errors"]
    assert set(answer["errors"]) <= {block["block_id"] for block in body["view"]["blocks"]}
    assert all(answer["errors"].values())


async def test_a_search_is_answered_with_a_page_to_wait_on() -> None:
    async with a_lobby() as it:
        answer = await heard(it, "view", ids.LIST, submitted(ids.LIST, "{}"))

    assert answer["response_action"] == "update"
    assert answer["view"]["external_id"]
    assert [view["title"]["text"] for view in it.views("views.update")] == ["API keys"]


@pytest.mark.parametrize("action", OPENING)
async def test_a_button_that_opens_a_modal_opens_its_own(action: str) -> None:
    value, title = OPENING[action]
    async with a_lobby() as it:
        await it.store.drafts.put("D1", DANA.slack, Draft())
        await it.keep(build.states()["failed"])
        assert await heard(it, "action", action, pressed(action, value)) == {}

    assert [view["title"]["text"] for view in it.views()] == [title]


@pytest.mark.parametrize("action", REDRAWING)
async def test_a_choice_in_a_modal_draws_that_modal_again(action: str) -> None:
    async with a_lobby() as it:
        assert await heard(it, "action", action, in_modal(pressed(action), metadata="{}")) == {}

    assert [body["view_id"] for method, body in it.client.calls if method == "views.update"] == ["V1"]


@pytest.mark.parametrize("action", ANSWERED)
async def test_a_button_of_the_help_is_answered_to_its_reader_alone(action: str) -> None:
    async with a_lobby() as it:
        assert await heard(it, "action", action, pressed(action)) == {}

    (call,) = it.client.calls
    assert (call[0], call[1]["user"], call[1]["channel"]) == ("chat.postEphemeral", DANA.slack, CHANNEL)
    assert ANSWERED[action] in str(call[1])


@pytest.mark.parametrize("action", ANSWERED)
async def test_a_button_of_the_help_on_home_opens_a_modal_to_read(action: str) -> None:
    async with a_lobby() as it:
        await it.keep(build.ready())
        assert await heard(it, "action", action, on_home(pressed(action))) == {}

    assert [method for method, _ in it.client.calls] == ["views.open", "views.update"]
    (page,) = it.views("views.update")
    assert ANSWERED[action] in str(page)
    assert "submit" not in page
    assert not {ids.SHOW, *ANSWERED, ids.OPEN_FORM} & set(re.findall(r"[a-z]+:[a-z]+", str(page)))


async def test_a_click_on_home_keeps_what_opens_a_modal_for_its_answer() -> None:
    async with a_lobby() as it:
        await heard(it, "action", ids.APPROVE, on_home(pressed(ids.APPROVE, "R1", ERIN)))
        (click,) = await it.clicks()

    assert (click.reply, "T1" in repr(click)) == (ReplyTo(home="T1"), False)


async def test_a_click_on_home_that_cannot_be_stored_is_answered_in_a_modal() -> None:
    async with a_lobby() as it:
        it.close_the_store()
        await heard(it, "action", ids.APPROVE, on_home(pressed(ids.APPROVE, "R1", ERIN)))

    assert [method for method, _ in it.client.calls] == ["views.open"]


async def test_a_choice_of_a_client_configuration_is_answered() -> None:
    chosen: dict[str, Any] = {"selected_option": {"value": "java"}, "block_id": f"{ids.SNIPPET_BLOCK}:R1/1"}
    async with a_lobby() as it:
        await it.keep(build.states()["confirmed"])
        assert await heard(it, "action", ids.SNIPPET, pressed(ids.SNIPPET, **chosen)) == {}
    assert KEY in it.told()

    async with a_lobby() as it:
        it.cloud.add(build.a_key(KEY, marker="", kind=Kind.KAFKA, owner=DANA.principal))
        body = in_modal(pressed(ids.KEY_SNIPPET, **chosen), metadata=KEY)
        assert await heard(it, "action", ids.KEY_SNIPPET, body) == {}
    assert [view["title"]["text"] for view in it.views("views.push")] == ["Client configuration"]
    assert KEY in str(it.views("views.update"))


@pytest.mark.parametrize(
    ("attempt", "requester", "said"),
    [
        (1, ERIN, "Only the person who requested this key"),
        (1, replace(DANA, principal=ERIN.principal), "Only the person who requested this key"),
        (1, replace(DANA, slack=ERIN.slack), "Only the person who requested this key"),
        (2, DANA, "no longer exists"),
    ],
    ids=["another person's", "of another Confluent user", "of another Slack account", "an earlier key's"],
)
async def test_a_client_configuration_for_a_key_that_is_not_theirs_is_refused(
    attempt: int, requester: Person, said: str
) -> None:
    block = f"{ids.SNIPPET_BLOCK}:R1/{attempt}"
    async with a_lobby() as it:
        await it.keep(replace(build.states()["confirmed"], ask=build.an_ask(requester=requester)))
        body = pressed(ids.SNIPPET, selected_option={"value": "java"}, block_id=block)
        assert await heard(it, "action", ids.SNIPPET, body) == {}

    assert said in it.told()
    assert KEY not in it.told()


@pytest.mark.parametrize("verb", VERBS)
async def test_every_command_is_acknowledged_and_answered(verb: str) -> None:
    async with a_lobby() as it:
        answer = await heard(it, "command", ids.COMMAND, typed_command(verb))

    assert bool(answer) is (verb in {"", "help", "nonsense"}), "said in the answer itself"
    assert bool(it.client.calls) is not bool(answer)
    assert answer.get("response_type", "ephemeral") == "ephemeral"


SUGGESTING = (ids.FORM_ENVIRONMENT, ids.FORM_RESOURCE, ids.FORM_ACCOUNT, ids.LIST_OWNER, ids.LIST_ENVIRONMENT)


@pytest.mark.parametrize("action", [*SUGGESTING, ANYTHING])
async def test_a_searchable_field_gets_options(action: str) -> None:
    body = {"action_id": action, "block_id": "resource:kafka:env-dev001", "value": "", "user": {"id": DANA.slack}}
    async with a_lobby() as it:
        answer = await heard(it, "options", action, body) if action != ANYTHING else await _options(it)

    assert set(answer) & {"options", "option_groups"}


async def _options(it: Lobby) -> Mapping[str, Any]:
    acks = Acks()
    await it.app.listeners["options", ANYTHING](ack=acks)
    return acks.said[0]


async def test_the_shortcut_opens_the_form() -> None:
    body = {"type": "shortcut", "user": {"id": DANA.slack, "team_id": DANA.team}, "trigger_id": "T1"}
    async with a_lobby() as it:
        assert await heard(it, "shortcut", ids.SHORTCUT_CREATE, body) == {}

    assert [view["callback_id"] for view in it.views()] == [ids.FORM]


@pytest.mark.parametrize("kind", ["action", "shortcut"])
async def test_what_nobody_knows_any_more_is_acknowledged_and_said_to_do_nothing(kind: str) -> None:
    async with a_lobby() as it:
        assert await heard(it, kind, ANYTHING, pressed("old:button")) == {}

    assert "from an older version of Latchkey" in it.told()


async def test_a_modal_that_nobody_knows_any_more_says_so_and_a_closed_one_nothing() -> None:
    acks = Acks()
    async with a_lobby() as it:
        await it.app.listeners["view", ANYTHING](ack=acks)
        await it.app.listeners["view_closed", ANYTHING](ack=acks)

    answer, nothing = acks.said
    assert (answer["response_action"], nothing) == ("update", {})
    assert "from an older version of Latchkey" in str(answer["view"])


@pytest.mark.parametrize(("tab", "drawn"), [("home", [DANA.slack]), ("messages", [])])
async def test_home_is_drawn_for_who_opens_it_and_not_for_who_reads_messages(tab: str, drawn: list[str]) -> None:
    async with a_lobby() as it:
        await it.app.listeners["event", "app_home_opened"](body={"event": {"tab": tab, "user": DANA.slack}})
        await it.app.listeners["event", ANYTHING]()

    assert it.homes == drawn


@pytest.mark.parametrize("action", [ids.ASK_AGAIN, ids.USE_ACCOUNT])
@pytest.mark.parametrize("by", [ERIN, replace(DANA, team=TeamId("T02"))], ids=["another person", "another workspace"])
async def test_the_form_of_another_persons_request_is_not_opened(action: str, by: Any) -> None:
    async with a_lobby() as it:
        await it.keep(build.states()["failed"])
        assert await heard(it, "action", action, pressed(action, "R1", by)) == {}

    assert it.views() == []
    assert "This is another person's request. Nothing changed." in it.told()
    assert "orders" not in it.told()


async def test_ones_own_form_is_opened_as_it_was_filled_in() -> None:
    async with a_lobby() as it:
        await it.keep(build.states()["failed"])
        await heard(it, "action", ids.ASK_AGAIN, pressed(ids.ASK_AGAIN, "R1"))

    assert "Local tests of the orders flow" in str(it.views())


async def test_t25_the_button_of_a_card_that_was_never_drawn_anew_is_read_as_before() -> None:
    async with a_lobby() as it:
        await heard(it, "action", ids.APPROVE, pressed(ids.APPROVE, "R1"))
        (click,) = await it.clicks()

    assert click.deed == Approve(R1)


def chosen_in(view: Mapping[str, Any]) -> dict[str, str]:
    """What is chosen in the fields of a form already."""
    chosen = {each["block_id"].partition(":")[0]: each["element"].get("initial_option") for each in fields_of(view)}
    return {name: option["value"] for name, option in chosen.items() if option}


def fields_of(view: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in view["blocks"] if each["type"] == "input"]


LAST = {"owner": "service-account", "account": "sa-abc001", "environment": "env-dev001", "resource": "lkc-dev001"}
"""What Dana chose in `build.an_ask`."""


async def test_the_form_opens_with_the_last_choices_of_who_opens_it_and_of_nobody_else() -> None:
    async with a_lobby() as it:
        await it.context.catalogs.refresh()
        await it.keep(build.states()["denied"])
        await heard(it, "action", ids.OPEN_FORM, pressed(ids.OPEN_FORM))
        await heard(it, "action", ids.OPEN_FORM, pressed(ids.OPEN_FORM, by=ERIN))

    dana, erin = sorted(it.views(), key=lambda view: "last request" not in str(view))
    assert chosen_in(dana) == {**LAST, "kind": "kafka", "lifetime": "90"}
    assert "Local tests of the orders flow" not in str(dana)
    assert "owner" not in chosen_in(erin)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"create {build.CLUSTER.name}", f"Filled in for {build.CLUSTER.name}"),
        ("create nothing-like-it", "No resource matches “nothing-like-it”."),
        ("create like", "No resource matches “like”."),
    ],
)
async def test_a_word_behind_the_command_fills_the_form_or_is_said_to_match_nothing(words: str, said: str) -> None:
    async with a_lobby() as it:
        await it.context.catalogs.refresh()
        await heard(it, "command", ids.COMMAND, typed_command(words))

    assert said in str(it.views()[0])


async def test_without_a_catalog_a_word_fills_nothing_and_the_form_says_why() -> None:
    async with a_lobby() as it:
        await heard(it, "command", ids.COMMAND, typed_command("create orders-dev"))

    assert "nothing is filled in" in str(it.views()[0])


def review_page(*blocks: str) -> dict[str, Any]:
    """A submitted review page with these blocks."""
    body = submitted(ids.REVIEW, "D1")
    body["view"]["blocks"] = [{"type": "divider", "block_id": each} for each in blocks]
    return body


@pytest.mark.parametrize("blocks", [(ids.CLOSES_BLOCK,), (ids.CLOSES_BLOCK, ids.ANOTHER_BLOCK)])
async def test_a_review_page_whose_person_gets_messages_closes_when_it_is_stored(blocks: tuple[str, ...]) -> None:
    async with a_lobby() as it:
        for _ in range(2):  # Slack may deliver it twice
            assert await heard(it, "view", ids.REVIEW, review_page(*blocks)) == {"response_action": "clear"}
        (click,) = await it.clicks()

    assert (click.deed, click.reply, click.anyway) == (Send("D1"), ReplyTo(), ids.ANOTHER_BLOCK in blocks)


async def test_a_review_page_that_cannot_be_stored_stays_open_and_says_so() -> None:
    async with a_lobby() as it:
        it.close_the_store()
        answer = await heard(it, "view", ids.REVIEW, review_page(ids.CLOSES_BLOCK))

    assert answer["response_action"] == "push"


async def test_any_other_review_page_waits_for_its_page() -> None:
    async with a_lobby() as it:
        answer = await heard(it, "view", ids.REVIEW, review_page(ids.ANOTHER_BLOCK))
        (click,) = await it.clicks()

    assert (answer["response_action"], click.reply.view, click.anyway) == ("update", "V1", True)


async def test_a_form_that_was_sent_in_vain_opens_for_its_person_alone_as_it_was_filled_in() -> None:
    async with a_lobby() as it:
        await it.store.drafts.put("D1", DANA.slack, Draft(owner="me", reason="Local tests of the orders flow"))
        await heard(it, "action", ids.FORM_AGAIN, pressed(ids.FORM_AGAIN, "D1", ERIN))
        assert it.views() == []
        await heard(it, "action", ids.FORM_AGAIN, pressed(ids.FORM_AGAIN, "D1"))

    (view,) = it.views()
    assert "Local tests of the orders flow" in str(view)
    assert "This form has expired." in it.told()
