"""What people type, and what is gone by the time that they have typed it: an error under the field, the text kept."""

from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from tests.support.play import Play, fields, play

LOOKS_SECRET = "cflt" + "A1b2C3d4E5" * 6
HOSTILE = (
    "Tell <!channel> & <@U0ERIN>: *now* :fire: \U0001f511\n"
    "> `code` <https://evil.example|the runbook>\n\n"
    "\u05e9\u05dc\u05d5\u05dd \u202eevil\u202c \u0645\u0631\u062d\u0628\u0627 -- @here #general &amp; \\n end"
)
LONGEST = (HOSTILE + " ") * (3000 // (len(HOSTILE) + 1))
LONGEST += "\u270d" * (3000 - len(LONGEST))


async def test_text_that_will_not_do_is_answered_under_its_field(tmp_path: Path) -> None:
    cases = (
        ("name", "", "Enter a name."),
        ("name", " \t\u00a0 ", "Enter a name."),
        ("name", "n" * 65, "At most 64 characters; this has 65."),
        ("name", LOOKS_SECRET, "This looks like it contains an API secret."),
        ("description", "d" * 201, "At most 200 characters; this has 201."),
        ("description", f"the old one was {LOOKS_SECRET}", "This looks like it contains an API secret."),
        ("reason", "", "Enter a reason."),
        ("reason", "\n \n", "Enter a reason."),
        ("reason", "r" * 3001, "At most 3,000 characters; this has 3,001."),
        ("reason", f"replaces\n{LOOKS_SECRET}\n", "This looks like it contains an API secret."),
    )
    async with play(tmp_path) as it:
        await it.fill_in()
        for field, text, problem in cases:
            errors = await it.submit_past_the_client(**{"name": "n", "description": "", "reason": "r", field: text})
            assert list(errors) == [field], text
            assert errors[field].startswith(problem)
        errors = await it.submit_past_the_client(name="", description="d" * 201, reason=" ")
        assert set(errors) == {"name", "description", "reason"}
        assert it.dana.notices == []
        assert it.cards() == []


async def test_the_longest_texts_that_fit_make_a_request(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in()
        await it.dana.fill({"Name": "n" * 64, "Description": "d" * 200, "Reason": LONGEST})
        assert await it.dana.submit() == {}
        await it.dana.see("Review your request")
        await it.dana.submit()
        await it.card_says("Approve")
        assert LONGEST in _typed_texts(it.cards())
        await it.approve()
        key = it.stage.organization.api_keys[await it.key_is_there()]
        assert key.name == "n" * 64
        assert key.description.startswith("d" * 200 + " [lk:")


async def test_hostile_words_are_shown_as_typed_ping_nobody_and_are_audited_whole(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in(name="a <!here> *b*", reason=HOSTILE)
        await it.dana.fill({"Description": "<@U0ERIN> & co"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert HOSTILE in _typed_texts([it.dana.front()])
        await it.dana.submit()
        await it.card_says("Approve")

        (card,) = it.cards()
        assert HOSTILE in _typed_texts([card])
        title = card["blocks"][0]["text"]
        assert (title["type"], title["emoji"]) == ("plain_text", False)
        assert title["text"].endswith(" a <!here> *b*")
        assert _mrkdwn([card, *it.dana.messages()]) == set()
        for message in (card, *it.dana.messages()):
            assert "<!here>" not in message["text"]
            assert "<!channel>" not in message["text"]
        (submitted,) = await it.audit("request:submitted")
        assert submitted["details"]["reason"] == HOSTILE  # type: ignore[index]

        await it.approve()
        key = it.stage.organization.api_keys[await it.key_is_there()]
        assert key.name == "a <!here> *b*"
        assert key.description.startswith("<@U0ERIN> & co [lk:")


async def test_what_was_typed_comes_back_on_the_way_to_change_something(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in(reason=HOSTILE)
        await it.dana.submit()
        await it.dana.click("Edit request")
        await it.dana.wait_for(lambda: it.dana.modal and it.dana.front()["callback_id"] == "form", "the form")
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert HOSTILE in _typed_texts([it.dana.front()])
        assert "orders-dev" in str(it.dana.front())


async def test_a_cluster_deleted_after_it_was_chosen_is_an_error_under_the_cluster(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in(reason=HOSTILE)
        del it.stage.organization.kafka_clusters["lkc-dev001"]
        await it.dana.submit()
        await _form_says(it, "resource:kafka:env-dev001", "The cluster you chose no longer exists in this environment.")

        await it.dana.fill({"Kafka cluster": "payments-dev"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert HOSTILE in _typed_texts([it.dana.front()])
        await it.dana.submit()
        await it.card_says("lkc-dev002")
        assert it.dana.notices == []


async def test_a_service_account_deleted_after_it_was_chosen_is_an_error_under_the_account(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in(reason=HOSTILE)
        it.stage.organization.remove_principal("sa-orders")
        await it.dana.submit()
        await _form_says(it, "account", "This service account no longer exists.")

        await it.dana.fill({"Service account": "payments-service"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        await it.dana.submit()
        await it.card_says("sa-payments")


async def test_a_cluster_deleted_during_the_review_brings_the_form_back(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in(reason=HOSTILE)
        await it.dana.submit()
        await it.dana.see("Review your request")
        del it.stage.organization.kafka_clusters["lkc-dev001"]
        await it.dana.submit()
        await _form_says(it, "resource:kafka:env-dev001", "The cluster you chose no longer exists in this environment.")

        await it.dana.fill({"Kafka cluster": "payments-dev"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert HOSTILE in _typed_texts([it.dana.front()])
        await it.dana.submit()
        await it.card_says("lkc-dev002")


async def test_a_form_without_choices_says_which_are_missing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await it.dana.wait_for(lambda: it.dana.modal, "the form")
        assert await it.submit_past_the_client(name="n", reason="r") == {}
        await it.dana.see("Choose an account.")
        await it.dana.see("Choose an environment.")
        await it.dana.fill({"Account": "me", "Environment": "dev"})
        assert await it.submit_past_the_client() == {}
        await it.dana.see("Choose a cluster.")
        await it.dana.wait_for(lambda: "'initial_value': 'n'" in str(it.dana.modal), "the name as it was typed")


async def test_a_denial_needs_a_reason_without_secrets(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        for reason, problem in (
            ("   ", "Enter a reason"),
            ("\u200b\u2060", "Enter a reason"),
            (f"You have {LOOKS_SECRET} already", "This looks like it contains an API secret."),
        ):
            await it.erin.fill({"Reason": reason})
            errors = await it.erin.submit()
            assert errors["reason"].startswith(problem)
        await it.erin.fill({"Reason": HOSTILE})
        assert await it.erin.submit() == {}

        await it.card_says("Denied by")
        assert HOSTILE in _typed_texts(it.cards()[-1:])
        await it.dana.wait_for(lambda: HOSTILE in _typed_texts(it.dana.messages()[-1:]), "the message with the reason")
        (denied,) = await it.audit("request:denied")
        assert denied["details"]["reason"] == HOSTILE  # type: ignore[index]
        assert it.our_keys() == []


async def _form_says(it: Play, under: str, problem: str) -> None:
    """The form is back; this stands right under the field, and the reason is still what was typed."""
    await it.dana.see(problem)
    form = it.dana.front()
    ids = fields(form)
    assert problem in str(form["blocks"][ids.index(under) + 1])
    reason = form["blocks"][ids.index("reason")]
    assert reason["element"]["initial_value"] == HOSTILE


def _typed_texts(surfaces: list[Json]) -> list[str]:
    """The text of every piece of rich text: what is shown exactly as it stands there."""
    texts: list[str] = []
    for surface in surfaces:
        for block in surface["blocks"]:
            if block["type"] == "rich_text":
                pieces = [piece for line in block["elements"] for piece in line["elements"]]
                texts += [piece["text"] for piece in pieces if piece["type"] == "text"]
    return texts


def _mrkdwn(surfaces: list[Json]) -> set[str]:
    """Which of these stand where Slack would act on them."""
    texts = str([text for surface in surfaces for text in _acted_on(surface["blocks"])])
    return {words for words in ("<!here", "<!channel", "<@U0ERIN>: *now*", "*b*", HOSTILE) if words in texts}


def _acted_on(node: object) -> list[str]:
    """Every text of mrkdwn."""
    if isinstance(node, list):
        return [text for each in node for text in _acted_on(each)]
    if not isinstance(node, dict):
        return []
    if node.get("type") == "mrkdwn":
        return [node["text"]]
    return [text for each in node.values() for text in _acted_on(each)]
