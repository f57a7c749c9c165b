"""Counts calls to Slack's API by method and outcome, and measures how long Slack waits for our answers."""

import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Throttled, TokenRefused, Undeliverable
from bot.slack.api.client import RESPONSE_URL, translated
from bot.slack.blocks import newer
from bot.slack.payloads import read

log = logging.getLogger("latchkey.slack")
OUTCOMES = ("ok", "refused", "unauthorized", "rate_limited", "error", "no_answer")
OTHER = "other"
METHODS = (
    "apps.connections.open",
    "auth.test",
    "chat.getPermalink",
    "chat.postEphemeral",
    "chat.postMessage",
    "chat.update",
    "conversations.info",
    "conversations.members",
    "usergroups.users.list",
    "users.info",
    "users.lookupByEmail",
    "views.open",
    "views.publish",
    "views.push",
    "views.update",
    RESPONSE_URL,
    OTHER,
)
"""The methods that a running Latchkey calls. An answer to a click goes to its response_url."""
KINDS = ("command", "button", "submit", "options", "shortcut", "event", OTHER)
"""What Slack sends."""
_KINDS = {
    "block_actions": "button",
    "view_submission": "submit",
    "view_closed": "submit",
    "block_suggestion": "options",
    "shortcut": "shortcut",
    "message_action": "shortcut",
    "event_callback": "event",
}
_REFUSED = frozenset(
    {"invalid_arguments", "invalid_attachments", "invalid_blocks", "invalid_blocks_format", "only_one_table_allowed"}
)
"""Codes with which Slack may refuse a block that it doesn't know, or doesn't allow in that place."""


class CountedClient(AsyncWebClient):
    """The SDK's client. `answered` is called after each call: method, outcome, seconds.

    A message or view with newer blocks that Slack refuses is sent again in its plain form. If Slack accepts that, the
    newer blocks were the reason, and no more are sent until the next start.
    """

    answered: Callable[[str, str, float], None] = staticmethod(lambda *_: None)
    takes_newer = True

    async def api_call(self, api_method: str, **options: Any) -> Any:  # noqa: ANN401 - as the SDK has it
        """Call a method, in plain form if this workspace doesn't accept newer blocks. Raises `SlackApiError`."""
        body: object = options.get("json")
        if not isinstance(body, dict) or not newer.has_newer(cast("dict[str, Any]", body)):
            return await self._counted(api_method, **options)
        plain = {**options, "json": newer.plain(cast("Mapping[str, Any]", body))}
        if not self.takes_newer:
            return await self._counted(api_method, **plain)
        try:
            return await self._counted(api_method, **options)
        except SlackApiError as error:
            code = translated(error)
            if not isinstance(code, Undeliverable) or code.reason not in _REFUSED:
                raise
            answer = await self._counted(api_method, **plain)
            self.takes_newer = False
            log.warning(
                "this workspace doesn't accept Slack's newer blocks; using plain ones",
                extra={"method": api_method, "code": code.reason},
            )
            return answer

    async def _counted(self, api_method: str, **options: Any) -> Any:  # noqa: ANN401 - as the SDK has it
        """Call a method, and count how it ended."""
        outcome, begun = "no_answer", time.monotonic()
        try:
            untyped: Any = super()
            answer = await untyped.api_call(api_method, **options)
            outcome = "ok"
        except SlackApiError as error:
            outcome = outcome_of(translated(error))
            raise
        except (AttributeError, TypeError, ValueError, RecursionError):
            outcome = "error"  # no answer that the SDK can read
            raise
        finally:
            self.answered(api_method if api_method in METHODS else OTHER, outcome, time.monotonic() - begun)
        return answer


class TimedApp(AsyncApp):
    """Bolt's app. `acked` is called for everything it answers: kind, seconds, and whether it was answered."""

    acked: Callable[[str, float, bool], None] = staticmethod(lambda *_: None)

    async def async_dispatch(self, req: AsyncBoltRequest) -> BoltResponse:
        """Handle what Slack sent, and report how long Slack had to wait for the answer."""
        begun = time.monotonic()
        req.body = dict(read.unfolded(req.body))
        response = await super().async_dispatch(req)
        if response.status != HTTPStatus.UNAUTHORIZED:  # otherwise, anyone may have sent it
            is_answer = response.status < HTTPStatus.INTERNAL_SERVER_ERROR
            self.acked(kind_of(req.body), time.monotonic() - begun, is_answer)
        return response


def kind_of(body: object) -> str:
    """One of `KINDS`."""
    found = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    return "command" if "command" in found else _KINDS.get(str(found.get("type")), OTHER)


def outcome_of(error: LatchkeyError) -> str:
    """The outcome that an error of ours means: one of `OUTCOMES`."""
    match error:
        case Throttled():
            return "rate_limited"
        case TokenRefused():
            return "unauthorized"
        case Undeliverable():
            return "refused"
        case _:
            return "error"
