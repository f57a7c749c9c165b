"""Surfaces: which messages there can be about one request, and the store's name for each."""

from enum import StrEnum
from typing import NamedTuple

from bot.domain.conversation import Remark
from bot.domain.keys import SlackUserId


class SurfaceKind(StrEnum):
    """The purpose of a message. Stored: never change one."""

    CARD = "card"
    """In the approvals channel."""
    COPY = "copy"
    """The card in an approver's DM, or in a channel that is told. Unless they say otherwise, the kinds below are in the
    requester's DM."""
    ASKED = "asked"
    CHANGED = "changed"
    """The policy changed while a request waits."""
    OUTCOME = "outcome"
    """How a request ended that led to no key."""
    KEY = "key"
    REPLACED = "replaced"
    END = "end"
    REMINDER = "reminder"
    """A key expires soon."""
    CLAIM = "claim"
    """A secret is still waiting."""
    LOST = "lost"
    """The key of an attempt was deleted before anyone saw its secret, or because the secret may not have arrived."""
    TOLD = "told"
    """For an owner of a service account: what someone did to one of its keys without an approval."""
    THREAD = "thread"
    """A question or a reply, below the card."""
    QUESTION = "question"
    """A question, with a button to reply."""
    REPLY = "reply"
    """A reply, in the DM of the person who asked."""
    APPROVERS = "approvers"
    """A request came to nothing, for the people who approved it: below the card, or in the DM of one of them."""
    REVIEWED = "reviewed"
    """The outcome of the review of a use of break-glass, for its requester."""


ONCE = frozenset({SurfaceKind.THREAD, SurfaceKind.QUESTION, SurfaceKind.REPLY})
"""Messages that are posted once, and their texts then forgotten. Only a question changes: it loses its button."""


class Surface(NamedTuple):
    """One message. The store keeps it as the text that `str` returns.

    `user` is who gets it, if not the requester. `number` is the round of a copy, the attempt of a key, or the number of
    a question or a reply. `end` is the expiration that a reminder is about.
    """

    kind: SurfaceKind
    user: SlackUserId | None = None
    end: int | None = None
    """Seconds since 1970."""
    number: int | None = None

    def __str__(self) -> str:
        return ":".join(str(each) for each in self if each is not None)

    @property
    def root(self) -> "Surface | None":
        """The message in whose thread it is; None if it isn't a reply."""
        if self.kind is SurfaceKind.THREAD or (self.kind is SurfaceKind.APPROVERS and self.user is None):
            return CARD
        if self.kind is SurfaceKind.LOST:
            return Surface(SurfaceKind.KEY, number=self.number)
        return ASKED if self.kind is SurfaceKind.OUTCOME else None

    @classmethod
    def parse(cls, name: str) -> "Surface":
        """The surface with this stored name. Raises `ValueError` for a name that Latchkey doesn't write."""
        match name.split(":"):
            case [SurfaceKind.COPY | SurfaceKind.REPLY as kind, user, number]:
                return cls(SurfaceKind(kind), SlackUserId(user), number=int(number))
            case [SurfaceKind.TOLD | SurfaceKind.APPROVERS as kind, user]:
                return cls(SurfaceKind(kind), SlackUserId(user))
            case [
                SurfaceKind.KEY
                | SurfaceKind.CLAIM
                | SurfaceKind.LOST
                | SurfaceKind.THREAD
                | SurfaceKind.QUESTION as kind,
                number,
            ]:
                return cls(SurfaceKind(kind), number=int(number))
            case [SurfaceKind.REMINDER, end, number]:
                return cls(SurfaceKind.REMINDER, end=int(end), number=int(number))
            case [kind]:
                return cls(SurfaceKind(kind))
            case _:
                raise ValueError("no surface")


def claim_of(attempt: int) -> Surface:
    """The reminder that the secret of one attempt waits."""
    return Surface(SurfaceKind.CLAIM, number=attempt)


def lost_of(attempt: int) -> Surface:
    """The message that the key of one attempt was deleted before it was of use."""
    return Surface(SurfaceKind.LOST, number=attempt)


def told_of(user: SlackUserId) -> Surface:
    """The message to an owner of the account."""
    return Surface(SurfaceKind.TOLD, user)


def key_of(attempt: int) -> Surface:
    """The message about the key of one attempt."""
    return Surface(SurfaceKind.KEY, number=attempt)


def of_said(said: Remark) -> tuple[Surface, ...]:
    """The messages that carry a question or a reply."""
    in_thread = Surface(SurfaceKind.THREAD, number=said.number)
    if said.to is None:
        return in_thread, Surface(SurfaceKind.QUESTION, number=said.number)
    return (in_thread, Surface(SurfaceKind.REPLY, said.to, number=said.number)) if said.is_direct else (in_thread,)


CARD, ASKED, CHANGED, OUTCOME, REPLACED, END, APPROVERS, REVIEWED = map(
    Surface,
    (
        SurfaceKind.CARD,
        SurfaceKind.ASKED,
        SurfaceKind.CHANGED,
        SurfaceKind.OUTCOME,
        SurfaceKind.REPLACED,
        SurfaceKind.END,
        SurfaceKind.APPROVERS,
        SurfaceKind.REVIEWED,
    ),
)
