"""Everything that Latchkey raises on purpose.

    LatchkeyError
    ├── Refused            the policy or an authority says no; nothing changed
    ├── Conflict           someone else was first; the caller reads again
    ├── Occupied           the requester has an open request for the same, or as many as the policy allows
    ├── Unreviewed         the requester's last use of break-glass waits for its review
    ├── NotFound           no such request, key or draft
    ├── Archived           lines of the audit log were moved to a file
    ├── Unavailable        a system we need did not answer; nothing changed; trying again is safe
    │   ├── Throttled      the same, and it said when
    │   └── KeyRefused     Confluent refuses Latchkey's own key, until an operator changes it
    ├── Unknown            the answer was lost: the effect may or may not have happened; reconcile before repeating
    ├── CloudRefused       Confluent understood and said no, for good; nothing changed
    ├── Tampered           what the store holds is not what Latchkey wrote
    │   ├── Contradicted   the audit log says otherwise: it is older, or has no line
    │   └── Newer          a newer version of Latchkey wrote it, and this one does not know all of it
    └── Undeliverable      Slack did not take a message
        └── TokenRefused   Slack refuses Latchkey's own token, until an operator installs the app again

`str(error)` is for operators; `tell` is for people: what happened, whether anything changed, what to do next.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Literal

from bot.domain.keys import RequestId

ASK_ADMINISTRATOR = "Ask your Latchkey administrator to look into it."
"""The advice if only an operator can help."""
NOTHING_MORE = "Nothing more changed."
"""Whether anything changed, where earlier steps of the same click may have changed something."""


def plain(text: str) -> str:
    """Foreign text made safe for Slack's mrkdwn: nothing in it links, mentions or pings."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def listed(words: Sequence[str], last: Literal["and", "or"]) -> str:
    """The words as people list them, with this one before the last: "A, B or C"."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def counted(number: int, noun: str) -> str:
    """How many there are of something: "1 line", "2,000 lines"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class LatchkeyError(Exception):
    """Root of everything raised on purpose. `code` names the class in logs, metrics and the audit log.

    Its sentences: what `happened`; whether anything `changed`; and what to do next, as `advice` that holds until
    someone follows it, and `again` for the person who clicked. All are mrkdwn: the code that raises puts foreign text
    through `plain`.
    """

    code: ClassVar[str] = "error"

    def __init__(self, happened: str, *, changed: str = "", advice: str = "", again: str = "", log: str = "") -> None:
        self.happened, self.changed, self.advice, self.again = happened, changed, advice, again
        super().__init__(log or self.tell)

    @property
    def tell(self) -> str:
        """All of its sentences, for the person who clicked."""
        return " ".join(filter(None, (self.happened, self.changed, self.advice, self.again)))

    @property
    def trouble(self) -> str:
        """The same without what changed and what to do: for a message that says these itself."""
        return " ".join(filter(None, (self.happened, self.advice)))

    @property
    def unread(self) -> str:
        """The same without what changed: for a page that only shows something."""
        return " ".join(filter(None, (self.trouble, self.again)))


class Refused(LatchkeyError):
    """The policy, an identity or an authority says no."""

    code = "refused"


class Conflict(LatchkeyError):
    """Someone else changed the record first."""

    code = "conflict"


class Occupied(LatchkeyError):
    """The requester has open requests that leave no room: one for the same, or as many as the policy allows."""

    code = "occupied"

    def __init__(self, requests: Sequence[RequestId], *, is_alike: bool) -> None:
        super().__init__(
            "You already have an open request for this." if is_alike else "You have too many open requests."
        )
        self.requests = requests
        self.is_alike = is_alike


class Unreviewed(LatchkeyError):
    """The requester's last use of break-glass has to be reviewed before the next one."""

    code = "unreviewed"

    def __init__(self, request: RequestId) -> None:
        super().__init__("Your last use of break-glass hasn't been reviewed yet.", changed="Nothing was created.")
        self.request = request


class NotFound(LatchkeyError):
    """It doesn't exist, or no longer does."""

    code = "not_found"


class Archived(LatchkeyError):
    """Lines of the audit log are needed that `latchkey audit archive` has moved to a file."""

    code = "archived"

    def __init__(self, first: int, last: int) -> None:
        super().__init__(f"Lines {first} to {last} of the audit log were moved to an archive file.")
        self.last = last


class Unavailable(LatchkeyError):
    """A system that we need did not answer. Nothing changed."""

    code = "unavailable"


class Throttled(Unavailable):
    """A system that we need asked us to wait."""

    code = "throttled"

    def __init__(
        self, happened: str, *, wait: timedelta, changed: str = "", advice: str = "", again: str = "", log: str = ""
    ) -> None:
        super().__init__(happened, changed=changed, advice=advice, again=again, log=log)
        self.wait = wait


class KeyRefused(Unavailable):
    """Confluent refuses the key that Latchkey itself signs with. Nothing changed."""

    code = "key_refused"


class Unknown(LatchkeyError):
    """The answer to a change was lost: it may have happened."""

    code = "unknown"


class CloudRefused(LatchkeyError):
    """Confluent refused a call for good (400, 402, 403, 404, 409, 422). Nothing changed."""

    code = "cloud_refused"

    def __init__(self, *, status: int, detail: str, reference: str, reason: str = "") -> None:
        """`detail` is Confluent's own sentence, `reference` its X-Request-Id, `reason` its code, if any."""
        super().__init__(
            f"Confluent Cloud refused: {plain(detail)}", log=f"{status} {detail} (X-Request-Id {reference})"
        )
        self.status = status
        self.detail = detail
        self.reference = reference
        self.reason = reason
        self.may_be_done = False
        """Whether an earlier attempt, whose answer was lost, may have done it: then something may have changed."""


class Tampered(LatchkeyError):
    """A stored record doesn't open: Latchkey didn't write it, or not for this place, or its key is gone."""

    code = "tampered"


class Contradicted(Tampered):
    """A stored record that Latchkey wrote, but that the audit log contradicts: it was put back."""

    code = "contradicted"

    def __init__(self, request: str, why: str) -> None:
        super().__init__(
            "Latchkey's record of this request doesn't match its audit log, so nothing was done.",
            advice=ASK_ADMINISTRATOR,
            log=f"request {request}: {why}",
        )


class Newer(Tampered):
    """A stored record with more in it than this version knows. It's left to versions that do."""

    code = "newer"


class Undeliverable(LatchkeyError):
    """Slack didn't accept a message. `reason` is Slack's own error code."""

    code = "undeliverable"

    def __init__(self, reason: str, *, lasting: bool) -> None:
        """`lasting`: trying again will not help until a person changes something."""
        super().__init__(f"Slack didn't accept the message ({reason}).")
        self.reason = reason
        self.lasting = lasting


class TokenRefused(Undeliverable):
    """Slack refuses the token that Latchkey itself signs in with, or a scope of it. Nothing changed."""

    code = "token_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, lasting=True)
        self.happened = "Slack no longer accepts Latchkey's sign-in."
        self.changed = "Nothing changed."
        self.advice = "Ask your Latchkey administrator to install the Slack app again."
