"""The modals for a question about a request, and for the reply to it. Pure."""

from bot.domain.keys import RequestId
from bot.domain.requests import Request
from bot.services.form.validate import MESSAGE
from bot.slack.blocks.kit import field, modal, text_input
from bot.slack.blocks.text import Block, Bold, lines, quote
from bot.slack.messages.card import name_of
from bot.slack.payloads import ids
from bot.slack.views.about import about, requester

ASKING, REPLYING = "Ask a question", "Reply"


def question(request: RequestId, known: Request | None = None) -> Block:
    """Asks an approver for the question. `known` is the request, if it could be read."""
    typed = text_input(ids.FORM_TEXT, "", limit=MESSAGE, lines=True)
    hint = f"{requester(known)} gets this as a message, and it appears in the card's thread."
    blocks = [*about(known), field("Question", ids.MESSAGE_BLOCK, typed, hint=hint)]
    return modal(ASKING, blocks, callback=ids.QUESTION, submit="Send", close="Cancel", metadata=request)


def reply(request: RequestId, number: int, known: Request | None = None, asked: str = "") -> Block:
    """Asks the requester for the reply. `known` is the request, if it could be read; `asked` is the question."""
    typed = text_input(ids.FORM_TEXT, "", limit=MESSAGE, lines=True)
    blocks = [lines([Bold(name_of(known.ask))])] if known else []
    blocks += [quote(asked)] if asked else []
    blocks.append(field("Reply", ids.MESSAGE_BLOCK, typed, hint="Approvers will see this."))
    metadata = ids.key_ref(request, number)
    return modal(REPLYING, blocks, callback=ids.REPLY, submit="Send", close="Cancel", metadata=metadata)
