"""Names of items on the agenda that more than one service puts there."""

from bot.domain.keys import RequestId


def missing(request: RequestId) -> str:
    """The agenda item to look whether the key of this request is still there."""
    return f"gone:{request}"
