"""What Slack answers when it does not do as asked."""

from typing import Any


class SlackError(Exception):
    """A refusal with Slack's own error word, e.g. `not_in_channel`.

    `messages` are the lines of `response_metadata.messages`, each ending in a JSON pointer; `extra` are further
    fields of the answer, such as `needed` and `provided` of `missing_scope`.
    """

    def __init__(self, code: str, *, messages: list[str] | None = None, **extra: object) -> None:
        super().__init__(code if not messages else f"{code}: {messages}")
        self.code = code
        self.messages = messages or []
        self.extra = extra

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        metadata = {"response_metadata": {"messages": self.messages}} if self.messages else {}
        return {"ok": False, "error": self.code, **self.extra, **metadata}


class NotPossible(Exception):
    """The person asked for something their Slack client would not offer them, e.g. a channel they are not in."""
