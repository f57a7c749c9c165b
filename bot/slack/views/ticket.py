"""The field for the ticket of a request, if its rule asks for one. Pure functions."""

from bot.domain.approvals import Ticket
from bot.services.form.validate import TICKET
from bot.slack.blocks.kit import field, text_input
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids


def ticket_field(ticket: Ticket | None, typed: str = "") -> list[Block]:
    """The field, with what was typed; empty if the rule asks for no ticket."""
    if ticket is None:
        return []
    element = text_input(ids.FORM_TEXT, typed, limit=TICKET)
    like = f"For example: {ticket.example}." if ticket.example else f"Format: {ticket.pattern}."
    hint = f"{like} Approvers will see this."
    return [field("Ticket", ids.TICKET_BLOCK, element, optional=not ticket.required, hint=hint)]
