"""What Slack answers if it refuses."""

from typing import Any


class SlackError(Exception):
    """A refusal with Slack's own error code, such as `not_in_channel`.

    `messages` are the lines of `response_metadata.messages`, each with a JSON pointer at its end. `extra` has more
    fields for the response, such as `needed` and `provided` for `missing_scope`.
    """

    def __init__(self, code: str, *, messages: list[str] | None = None, **extra: object) -> None:
        super().__init__(code if not messages else f"{code}: {messages}")
        self.code = code
        self.messages = messages or []
        self.extra = extra

    def as_json(self) -> dict[str, Any]:
        """The body of the response."""
        metadata = {"response_metadata": {"messages": self.messages}} if self.messages else {}
        return {"ok": False, "error": self.code, **self.extra, **metadata}


class NotPossible(Exception):
    """The person asked for something that their Slack client wouldn't offer, such as a channel they aren't in."""
