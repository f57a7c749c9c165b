"""The modals: the review page, the reason for a denial, and pages that only say something. Pure."""

from datetime import timedelta
from typing import assert_never

from bot.domain.approvals import REVIEW_WITHIN
from bot.domain.deadlines import glass_of
from bot.domain.keys import NewServiceAccount, Operation, RequestId, Resource
from bot.domain.requests import Living, Pending, Ready, Request
from bot.services.form.validate import LIMITS
from bot.services.pages import (
    DeletePage,
    EditPage,
    ExtendPage,
    FormPage,
    GlassPage,
    KeyPage,
    KeysPage,
    Page,
    ReviewPage,
    RotatePage,
    TextPage,
)
from bot.services.text import LONGEST_TYPED, duration, to_confirm
from bot.slack.blocks.kit import actions, button, divider, field, fields, header, modal, text_input
from bot.slack.blocks.newer import alert
from bot.slack.blocks.text import Block, Bold, Code, Row, context, flat, lines, mrkdwn, quote, told
from bot.slack.messages.access import access_rows
from bot.slack.messages.card import effect_of, needs, risk
from bot.slack.messages.facts import Fact, account, for_what, kind_of, places, ticket
from bot.slack.payloads import ids, read
from bot.slack.views import key as key_pages
from bot.slack.views import keys as key_list
from bot.slack.views.about import about, requester
from bot.slack.views.approvers import conditions, who
from bot.slack.views.form import form

_NO_ACCESS = (
    "The new service account won't have any access. To request access with the key, select ",
    Bold("Edit request"),
    ".",
)
_NO_END = "This key doesn't expire. It works until someone deletes it."
_NO_END_OF_TWO = "These keys don't expire. They work until someone deletes them."
APPROVING = "Approve this request"
BREAKING_GLASS = "Use break-glass"
JUDGING = "Review break-glass"
DENYING = "Deny this request"
_STUCK = (
    "If this page doesn't change within two minutes, close it and run ",
    Code("/apikey requests"),
    " to see whether anything was sent.",
)


def page(content: Page) -> Block:
    """Any page as a modal view."""
    match content:
        case FormPage():
            drawn = form(content)
        case ReviewPage() | GlassPage():
            drawn = review(content) if isinstance(content, ReviewPage) else break_glass(content)
        case TextPage():
            drawn = _text(content)
        case KeysPage():
            drawn = key_list.keys(content)
        case KeyPage():
            drawn = key_pages.key(content)
        case EditPage():
            drawn = key_pages.edit(content)
        case DeletePage():
            drawn = key_pages.delete(content)
        case RotatePage():
            drawn = key_pages.rotate(content)
        case ExtendPage():
            drawn = key_pages.extend(content)
        case _:
            assert_never(content)
    return drawn


def _text(content: TextPage) -> Block:
    back = button("Back to the form", ids.REVIEW_BACK, content.back)
    blocks = [*_said(content, back), *_in_an_emergency(content.break_glass, content.back)]
    return modal(content.title, blocks, callback=ids.PAGE)


def message(content: TextPage) -> list[Block]:
    """A page that only says something, as a message: its button opens the form, as it was filled in."""
    return _said(content, button("Request again", ids.FORM_AGAIN, content.back))


def _said(content: TextPage, back: Block) -> list[Block]:
    blocks = [mrkdwn(content.text)]
    if content.typed:
        blocks += [context("What you wrote:"), quote(content.typed)]
    anyway = button("Request another anyway", ids.ANYWAY, content.anyway)
    buttons = [*([anyway] if content.anyway else []), *([back] if content.back else [])]
    return [*blocks, actions(*buttons)] if buttons else blocks


def info(title: str, blocks: list[Block]) -> Block:
    """A modal to read, about nothing in particular."""
    return modal(title, blocks, callback=ids.PAGE)


def checking() -> Block:
    """The page while Confluent is asked."""
    return modal("Create an API key", [lines(["Checking with Confluent Cloud…"]), context(*_STUCK)], callback=ids.PAGE)


def working(title: str) -> Block:
    """The page while something is carried out."""
    return modal(title, [lines(["One moment…"]), context(*_STUCK)], callback=ids.PAGE)


def review(content: ReviewPage) -> Block:
    """What is requested, the people who can approve it, and the button that sends it."""
    terms, draft, owner = content.terms, content.draft, content.owner
    is_new = isinstance(owner, NewServiceAccount)
    granted = access_rows(f"Access requested with the {_keys(content)}:", content.bindings, content.resource)
    needs_access = is_new and not granted and any(each.kind.row.grant for each in _opened(content))
    blocks = [
        header(f"{_kinds(content)}{for_what(content.resource)}"),
        *risk(terms, Operation.CREATE, owner, content.resource, "modal", content.bindings, content.also),
        *_facts(content),
        *([lines(*granted)] if granted else []),
        lines([Bold("Reason")]),
        quote(draft.reason),
        *([alert("warning", *_NO_ACCESS, on="modal")] if needs_access else []),
        *(alert("warning", *told(warning), on="modal") for warning in content.warnings),
        *_alike(content),
        divider(),
        lines([Bold(needs(terms)), *conditions(terms)], *who(content.approvers, are_told=not terms.notify)),
        lines(
            [_then(content)],
            *([[f"The service account is created together with the {_keys(content)}."]] if is_new else []),
            *([[_NO_END_OF_TWO if content.also else _NO_END]] if content.lifetime is None else []),
        ),
        context("Policy rule: ", terms.rule),
        actions(
            button("Edit request", ids.REVIEW_BACK, content.draft_id), block=ids.CLOSES_BLOCK if content.closes else ""
        ),
        *_in_an_emergency(content.break_glass, content.draft_id),
    ]  # fmt: skip
    send, metadata = "Send request", content.draft_id
    return modal("Review your request", blocks, callback=ids.REVIEW, submit=send, close="Discard", metadata=metadata)


def _facts(content: ReviewPage) -> list[Block]:
    """What is requested, in two columns; below them what may be long, and a name that would leave a gap."""
    owner, lasts, draft = content.owner, content.lifetime, content.draft
    facts: list[Fact] = [("Account", account(owner, "your own")), *places(content.resource, content.also)]
    if isinstance(owner, NewServiceAccount) and owner.description:
        facts.append(("Account description", [flat(owner.description)]))
    expires: Fact = ("Expires", [f"{duration(lasts)} after creation" if lasts else "never"])
    name, description = flat(draft.name), draft.description.strip()
    rows: list[Row] = [[Bold("Description: "), description]] if description else []
    named = ticket(draft.ticket.strip(), content.terms) if content.terms.ticket else []
    if (len(facts) + len(named)) % 2:
        rows.insert(0, [Bold("Name: "), name])
    else:
        facts.append(("Name", [name]))
    return [*fields(*facts, expires, *named), *([lines(*rows)] if rows else [])]


def _opened(content: ReviewPage) -> tuple[Resource, ...]:
    return (content.resource, *([content.also] if content.also else []))


def _kinds(content: ReviewPage) -> str:
    """What is requested: "Kafka API key", or for a pair "Kafka and Schema Registry API keys"."""
    if content.also is None:
        return kind_of(content.resource)
    return f"{content.resource.kind.row.label} and {content.also.kind.row.label} API keys"


def _keys(content: ReviewPage) -> str:
    return "keys" if content.also else "key"


def _alike(content: ReviewPage) -> list[Block]:
    """Says that a similar request is open, and that sending this one creates another."""
    if content.alike is None:
        return []
    ask = content.alike.ask
    sent: Row = ["You already have an open request for this: ", Bold(flat(ask.name)), ", sent ", ask.asked_at, "."]
    drop = "To cancel the first one, select ", Bold("Cancel request"), " in its message from Latchkey."
    another = context("Sending this creates a second request. ", *drop)
    return [alert("warning", *sent, on="modal"), {**another, "block_id": ids.ANOTHER_BLOCK}]


def _then(content: ReviewPage) -> str:
    terms, secrets = content.terms, "secrets" if content.also else "secret"
    if not terms.approvals:
        return f"You have {duration(terms.claim)} to view the {secrets}."
    claim = f"After approval, you have {duration(terms.claim)} to view the {secrets}."
    return f"Approvers have {duration(terms.pending)} to respond. {claim}"


def _in_an_emergency(offer: timedelta | str | None, draft: str) -> list[Block]:
    """The way around approvals, for people who have it; `offer` is a page's `break_glass`."""
    if offer is None:
        return []
    title = Bold("Can't wait? ")
    if isinstance(offer, str):
        return [divider(), lines([title, offer])]
    says = (
        f"Break-glass creates the key now, without an approval. The key expires {duration(offer)} later. "
        "Latchkey notifies the approvers, and one of them reviews it afterward."
    )
    use = button("Use break-glass", ids.GLASS, draft, "danger")
    return [divider(), lines([title, says]), actions(use)]


def break_glass(content: GlassPage) -> Block:
    """What using break-glass means, and why it can't wait."""
    people = "the only approver" if content.approvers == 1 else f"all {content.approvers} approvers"
    if content.told < content.approvers:
        people = f"{content.told} of {content.approvers} approvers"
    typed = text_input(ids.FORM_TEXT, "", limit=LIMITS["reason"], lines=True)
    blocks = [
        header(f"{kind_of(content.resource)}{for_what(content.resource)}"),
        alert("error", "This creates the key right away, without an approval.", on="modal"),
        lines(
            [f"• The key expires {duration(content.lifetime)} from now and can't be extended."],
            [f"• Latchkey notifies {people} and the approvals channel right away."],
            [f"• An approver has {duration(REVIEW_WITHIN)} to review it."],
            ["• Until it's reviewed, you can't use break-glass again."],
        ),
        field("Why it can't wait", ids.REASON_BLOCK, typed, hint="Everyone notified will see this."),
    ]
    title, kept = BREAKING_GLASS, content.draft_id
    return modal(title, blocks, callback=ids.GLASS_USE, submit="Use break-glass", close="Cancel", metadata=kept)


def not_justified(request: RequestId, known: Request | None = None) -> Block:
    """Asks a reviewer why a use of break-glass was not justified. `known` is the request, if it could be read."""
    typed = text_input(ids.FORM_TEXT, "", limit=LIMITS["reason"], lines=True)
    hint = f"{requester(known)} and people in the approvals channel will see this."
    works: list[Row] = []
    if isinstance(known, Ready | Living) and (glass := glass_of(known)):
        works = [["The key still expires ", glass.ends_at, "."]]
    blocks = [*about(known, *works), field("Why wasn't it justified?", ids.REASON_BLOCK, typed, hint=hint)]
    return modal(JUDGING, blocks, callback=ids.GLASS_NOTE, submit="Not justified", close="Cancel", metadata=request)


def approve(request: Pending) -> Block:
    """Asks an approver for the name of the resource, below what approving does."""
    ask, name = request.ask, to_confirm(request.ask.resource)
    typed = text_input(ids.FORM_TEXT, "", limit=LONGEST_TYPED)
    blocks = [
        *about(request),
        alert("warning", effect_of(ask), on="modal"),
        field(f"Type “{name}” to approve this request", ids.WORD_BLOCK, typed),
    ]
    kept = read.as_metadata({"request": ids.key_ref(ask.id, request.drawn), "name": name})
    return modal(APPROVING, blocks, callback=ids.APPROVAL, submit="Approve", close="Cancel", metadata=kept)


def deny(request: RequestId, known: Request | None = None) -> Block:
    """Asks an approver for the reason. `known` is the request, if it could be read."""
    typed = text_input(ids.FORM_TEXT, "", limit=LIMITS["reason"], lines=True)
    hint = f"{requester(known)} and people in the approvals channel will see this."
    blocks = [*about(known), field("Reason", ids.REASON_BLOCK, typed, hint=hint)]
    return modal(DENYING, blocks, callback=ids.DENY_REASON, submit="Deny", close="Cancel", metadata=request)
