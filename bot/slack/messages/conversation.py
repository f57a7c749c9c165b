"""Questions about a request and the replies to them: below its card, and in direct messages. Pure."""

from bot.domain.conversation import Remark
from bot.domain.errors import plain
from bot.domain.requests import Ask, Pending, Request
from bot.services.surfaces import SurfaceKind
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Mention, Row, context, flat, lines, quote
from bot.slack.messages.card import in_a_line, wish
from bot.slack.payloads import ids


def drawn(kind: SurfaceKind, request: Request, number: int, *, is_reply: bool = False) -> tuple[list[Block], str]:
    """The question or the reply with this number; empty if its text is gone.

    `is_reply` is for one below the card, which says what the request is about.
    """
    every = request.said if isinstance(request, Pending) else ()
    said = next((each for each in every if each.number == number), None)
    if said is None:
        return [lines(["This message is no longer available."])], "A message about a request"
    if kind is SurfaceKind.QUESTION:
        return _question(request.ask, said)
    return _reply(request.ask, said) if kind is SurfaceKind.REPLY else _in_channel(request.ask, said, is_reply=is_reply)


def _in_channel(ask: Ask, said: Remark, *, is_reply: bool) -> tuple[list[Block], str]:
    """The message below the card, or in place of that. It mentions who gets a reply; a requester gets a message."""
    name = flat(said.name)
    about: Row = [] if is_reply else [" about the request ", Bold(flat(ask.name) or "(no name)")]
    head: Row = [Bold(name), " asks", *about, ":"]
    if said.to is not None:
        head = [Mention(said.to), ", ", Bold(name), " replies", *about, ":"]
    rung = f"<@{said.to}>, " if said.to else ""
    return [lines(head), quote(said.text)], f"{rung}{plain(name)} {'replies' if said.to else 'asks a question'}"


def _question(ask: Ask, said: Remark) -> tuple[list[Block], str]:
    """For the requester."""
    reply = button("Reply", ids.ANSWER, ids.key_ref(ask.id, said.number), "primary")
    blocks, text = _asked(ask, said.name, said.text)
    return [*blocks, actions(reply), context("Approvers will see your reply in the card's thread.")], text


def closed(ask: Ask, by: str, text: str) -> tuple[list[Block], str]:
    """The question once the request no longer waits, and nobody can reply."""
    blocks, said = _asked(ask, by, text)
    return [*blocks, context("This request is no longer waiting for approval, so you can't reply here.")], said


def _asked(ask: Ask, by: str, text: str) -> tuple[list[Block], str]:
    name = flat(by)
    head: Row = [Bold(name), " has a question about your request ", Bold(flat(ask.name) or "(no name)"), ":"]
    return [lines(head), quote(text)], in_a_line([f"{name} has a question about your request ", *wish(ask)])


def _reply(ask: Ask, said: Remark) -> tuple[list[Block], str]:
    """For the person who asked and isn't in the channel."""
    name = flat(said.name)
    head: Row = [Bold(name), " replied about the request ", Bold(flat(ask.name) or "(no name)"), ":"]
    return [lines(head), quote(said.text)], in_a_line([f"{name} replied about the request ", *wish(ask)])
