"""What Latchkey does beyond the page (docs/page.md), as people click it."""

import logging
from pathlib import Path

import pytest

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, DEV, PROD
from tests.support.play import Play, fields, play, send_anyway
from tests.support.walks import home_of
from tests.support.wishes import IN_DEV, IN_PRODUCTION, ask, choose_account, choose_scope, new_policy, posted, words_of

TICKET = f"""
version: 1
rules:
  - name: dev
    match: {{environment: {DEV}}}
    ticket: {{pattern: '[A-Z]+-[0-9]+', url: 'https://tickets.example/browse/{{ticket}}', required: true}}
  - name: production
    match: {{environment: {PROD}}}
    approvals: 1
"""


async def test_a_rule_asks_for_a_ticket_and_approvers_read_it_as_a_link(tmp_path: Path) -> None:
    """B2: a ticket, where the rule for what was chosen asks for one."""
    async with play(tmp_path, policy=TICKET) as it:
        await it.dana.command("/apikey create")
        assert "ticket" not in {ids.field(each) for each in fields(it.dana.modal)}
        await choose_account(it.dana, IN_DEV)
        await choose_scope(it.dana, IN_DEV)
        await it.dana.fill({"Name": IN_DEV.name, "Reason": "Local tests of the orders flow"})
        await it.dana.see("Format: [A-Z]+-[0-9]+. Approvers will see this.")

        await it.dana.fill({"Ticket": "nonsense"})
        assert await it.dana.submit() == {}
        await it.dana.see("This ticket doesn't match [A-Z]+-[0-9]+. Check it and try again.")
        await it.dana.fill({"Ticket": "OPS-12"})
        assert await it.dana.submit() == {}
        await it.dana.see("Review your request")
        assert "https://tickets.example/browse/OPS-12" in str(it.dana.front())
        await send_anyway(it.dana)

        await it.until(lambda: "OPS-12" in str(posted(it, APPROVALS_CHANNEL)[-1:]), "the card")
        assert "<https://tickets.example/browse/OPS-12|OPS-12>" in words_of(it.cards()[-1])
        await it.approve()
        await it.key_is_there()
        (submitted,) = await it.audit("request:submitted")
        assert submitted["details"]["ticket"] == "OPS-12"  # type: ignore[index]


async def test_no_ticket_is_asked_for_where_no_rule_does(tmp_path: Path) -> None:
    """B2: without a policy file, and under rules that ask for none, the form is as it was."""
    async with play(tmp_path, policy=TICKET) as it:
        card = await ask(it, it.dana, IN_PRODUCTION)

        assert "ticket" not in words_of(card).lower()


async def test_a_request_without_the_ticket_that_a_new_file_requires_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """B2: the file changes while a request waits."""
    caplog.set_level(logging.INFO)
    async with play(tmp_path, policy="version: 1\n") as it:
        await it.ask()
        await new_policy(it, TICKET, caplog.records)

        await it.card_says("The policy requires a ticket, and this request has none.")
        assert it.our_keys() == []


CONFIRM = f"""
version: 1
rules:
  - {{name: dev, match: {{environment: {DEV}}}, confirm: resource}}
"""


async def test_who_approves_types_the_name_of_the_cluster(tmp_path: Path) -> None:
    """B3: another name keeps the page open and says so."""
    async with play(tmp_path, policy=CONFIRM) as it:
        await it.ask()
        await it.approve()
        await it.erin.see("Type “orders-dev” to approve this request")
        await it.erin.fill({"Type “orders-dev” to approve this request": "orders-prod"})
        errors = await it.erin.submit()
        assert list(errors.values()) == [
            "This isn't the name. Type “orders-dev”, or close this page. Nothing was approved."
        ]
        assert "is recorded" not in it.erin.describe()
        assert it.our_keys() == []

        await it.erin.fill({"Type “orders-dev” to approve this request": "orders-dev"})
        assert await it.erin.submit() == {}
        await it.key_is_there()
        await it.erin.see("Approved “orders producer”.")


async def test_an_approval_that_never_asked_for_the_name_is_refused(tmp_path: Path) -> None:
    """B3: the button of another card, pressed on this one."""
    async with play(tmp_path, policy=CONFIRM) as it:
        await it.ask()
        await it.press("U0ERIN", APPROVALS_CHANNEL, it.cards()[-1], "Approve", action_id=ids.APPROVE)

        await it.erin.see("The policy asks you to type the name of the Kafka cluster first.")
        assert it.our_keys() == []
        (refused,) = await it.audit("approval:refused")
        assert refused["actor"] == "U0ERIN"


GLASS = f"""
version: 1
rules:
  - {{name: dev, match: {{environment: {DEV}}}, break_glass: {{by: [U0DANA], lifetime: 4h}}}}
"""


async def test_break_glass_gives_a_key_at_once_and_someone_else_reviews_it(tmp_path: Path) -> None:
    """B7: the second way on the review page, the buttons on the card, and no second use before the review."""
    async with play(tmp_path, policy=GLASS) as it:
        await break_glass(it)
        await it.dana.see("Latchkey is creating the key and will message you when it's ready.")
        await it.key_is_there()
        await it.card_says("Not justified")
        assert "No one approved this key. Was that justified?" in words_of(it.cards()[-1])
        await it.until(lambda: "used break-glass" in str(it.erin.messages()), "Erin's own copy of the card")

        await it.press("U0DANA", APPROVALS_CHANNEL, it.cards()[-1], "Justified")
        await it.dana.see("You used break-glass here, so someone else has to review it.")
        await it.dana.close()
        await it.fill_in("orders again")
        await it.dana.submit()
        await it.dana.see("hasn't been reviewed yet")
        assert "Use break-glass" not in words_of(it.dana.front())
        await it.dana.close(everything=True)
        assert "Break-glass to review" in await home_of(it.erin)
        assert "Ask an approver to review it" in await home_of(it.dana)
        await it.erin.click("Not justified", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("Dana Okafor and people in the approvals channel will see this.")
        await it.erin.fill({"Why wasn't it justified?": "I was there to approve it."})
        assert await it.erin.submit() == {}
        await it.card_says("I was there to approve it.")
        await it.until(lambda: "You can use break-glass again." in str(it.dana.messages()), "what Dana is told")
        (reviewed,) = await it.audit("break-glass:reviewed")
        assert reviewed["actor"] == "U0ERIN"
        assert len(it.our_keys()) == 1


async def break_glass(it: Play) -> None:
    """Dana fills in the form and uses break-glass on its review page."""
    await it.fill_in()
    await it.dana.submit()
    await it.dana.see("Review your request")
    await it.dana.click("Use break-glass")
    await it.dana.see("This creates the key right away, without an approval.")
    await it.dana.fill({"Why it can't wait": "Orders are down."})
    assert await it.dana.submit() == {}


async def test_no_one_else_is_offered_break_glass(tmp_path: Path) -> None:
    """B7: for people whom the rule doesn't name, the review page is as it was."""
    async with play(tmp_path, policy=GLASS.replace("U0DANA", "U0ERIN")) as it:
        await it.fill_in()
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert "break-glass" not in str(it.dana.front()).lower()
