"""The modals for a question about a request, and for the reply to it. Pure."""

from bot.domain.keys import RequestId
from bot.services.form.validate import MESSAGE
from bot.slack.blocks.kit import field, modal, text_input
from bot.slack.blocks.text import Block, Bold, lines
from bot.slack.payloads import ids

ASKING, REPLYING = "Ask a question", "Reply"


def question(request: RequestId, name: str = "") -> Block:
    """Asks an approver for the question. `name` is the request's name."""
    typed = text_input(ids.FORM_TEXT, "", limit=MESSAGE, lines=True)
    hint = "The requester gets this as a message, and it appears in the card's thread."
    about = [lines([Bold(name)])] if name else []
    blocks = [*about, field("Question", ids.MESSAGE_BLOCK, typed, hint=hint)]
    return modal(ASKING, blocks, callback=ids.QUESTION, submit="Send", close="Cancel", metadata=request)


def reply(request: RequestId, number: int) -> Block:
    """Asks the requester for the reply."""
    typed = text_input(ids.FORM_TEXT, "", limit=MESSAGE, lines=True)
    blocks = [field("Reply", ids.MESSAGE_BLOCK, typed, hint="Approvers will see this.")]
    about = ids.key_ref(request, number)
    return modal(REPLYING, blocks, callback=ids.REPLY, submit="Send", close="Cancel", metadata=about)
