"""A small bot on the real slack-bolt, to try the Slack sandbox with: a form, a card, a secret shown once."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import aiohttp
import httpx
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.delivery import SIGNING_SECRET, RequestUrl
from sandbox.slack.server import Slack
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN

SECRET = "cflt-not-a-real-secret"
ENVIRONMENTS = ("development", "production")
Mode = Literal["socket", "http"]


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(text: str, action_id: str, value: str = "") -> dict[str, Any]:
    return {"type": "button", "text": plain(text), "action_id": action_id, "value": value or action_id}


def actions(*buttons: dict[str, Any], block_id: str = "actions") -> dict[str, Any]:
    return {"type": "actions", "block_id": block_id, "elements": list(buttons)}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def text_input(label: str, **more: Any) -> dict[str, Any]:
    name = label.lower()
    element = {"type": "plain_text_input", "action_id": name, **more}
    return {"type": "input", "block_id": name, "label": plain(label), "element": element}


def environment_input() -> dict[str, Any]:
    element = {"type": "external_select", "action_id": "environment", "min_query_length": 0}
    return {
        "type": "input",
        "block_id": "environment",
        "label": plain("Environment"),
        "element": element,
        "dispatch_action": True,
    }


def modal(*blocks: dict[str, Any], callback_id: str = "form", **more: Any) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain("Create API key"),
        "submit": plain("Send request"),
        "close": plain("Cancel"),
        "notify_on_close": True,
        "blocks": list(blocks),
        **more,
    }


def form(*more: dict[str, Any]) -> dict[str, Any]:
    return modal(text_input("Name", min_length=3, max_length=20), environment_input(), *more)


def api_client(base_url: str, token: str = BOT_TOKEN) -> AsyncWebClient:
    """A client whose retries are off: a test wants the first answer."""
    return AsyncWebClient(token, base_url=f"{base_url}/api/", retry_handlers=[])


class Bot:
    """The Bolt app, and the payloads it was sent."""

    def __init__(self, base_url: str) -> None:
        self.received: list[dict[str, Any]] = []
        self.client = api_client(base_url)
        self.app = AsyncApp(client=self.client, signing_secret=SIGNING_SECRET, process_before_response=True)
        self.app.middleware(self._note)
        self._register()

    async def _note(self, body: dict[str, Any], next: Any) -> None:  # noqa: A002 - Bolt injects by name
        self.received.append(body)
        await next()

    def last(self, kind: str) -> dict[str, Any]:
        return next(each for each in reversed(self.received) if each.get("type") == kind)

    def _register(self) -> None:
        app = self.app
        app.command("/apikey")(self.command)
        app.options("environment")(self.environments)
        app.action("environment")(self.environment_chosen)
        app.view("form")(self.submitted)
        app.view_closed("form")(self.closed)
        app.action("approve")(self.approve)
        app.action("show")(self.show)
        app.action("saved")(self.saved)
        app.action("overwrite")(self.overwrite)
        app.event("app_home_opened")(self.home)

    async def command(self, ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        if body["text"] == "help":
            await ack("Try `/apikey create`.")
            return
        await client.views_open(trigger_id=body["trigger_id"], view=form())
        await ack()

    async def environments(self, ack: Any, payload: dict[str, Any]) -> None:
        matching = [each for each in ENVIRONMENTS if payload["value"] in each]
        await ack(options=[{"text": plain(each), "value": each} for each in matching])

    async def environment_chosen(self, ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        view = body["view"]
        chosen = body["actions"][0]["selected_option"]["value"]
        await client.views_update(view_id=view["id"], hash=view["hash"], view=form(section(f"in {chosen}")))
        await ack()

    async def submitted(self, ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        values = body["view"]["state"]["values"]
        name = values["name"]["name"]["value"]
        if name == "taken":
            await ack(response_action="errors", errors={"name": "This name is taken."})
            return
        requester = body["user"]["id"]
        blocks = [
            section(f"{name} in {values['environment']['environment']['selected_option']['value']}"),
            actions(button("Approve", "approve", requester), button("Overwrite", "overwrite")),
        ]
        await client.chat_postMessage(channel=APPROVALS_CHANNEL, text="A request", blocks=blocks)
        await ack()

    async def closed(self, ack: Any) -> None:
        await ack()

    async def approve(self, ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        requester = body["actions"][0]["value"]
        where = {"channel": body["channel"]["id"], "ts": body["message"]["ts"]}
        await client.chat_update(**where, text="Approved", blocks=[section(f"Approved by <@{body['user']['id']}>")])
        shown = [section("Your key is ready"), actions(button("Show secret", "show"))]
        await client.chat_postMessage(channel=requester, text="Your key is ready", blocks=shown)
        await ack()

    async def show(self, ack: Any, respond: Any) -> None:
        blocks = [section(f"`{SECRET}`"), actions(button("I saved it", "saved"))]
        await respond(text="Your key", blocks=blocks, response_type="ephemeral", replace_original=False)
        await ack()

    async def saved(self, ack: Any, respond: Any) -> None:
        await respond(delete_original=True)
        await ack()

    async def overwrite(self, ack: Any, respond: Any) -> None:
        await respond(text="oops", response_type="ephemeral")
        await ack()

    async def home(self, event: dict[str, Any], client: AsyncWebClient) -> None:
        view = {"type": "home", "blocks": [section("Your keys"), actions(button("Approve", "approve"))]}
        await client.views_publish(user_id=event["user"], view=view)


@asynccontextmanager
async def listening(slack: Slack, base_url: str, mode: Mode = "socket") -> AsyncGenerator[Bot]:
    """The bot, connected to the sandbox until the block ends."""
    bot = Bot(base_url)
    async with AsyncExitStack() as stack:
        if mode == "socket":
            handler = AsyncSocketModeHandler(bot.app, APP_TOKEN, web_client=api_client(base_url))
            stack.push_async_callback(_close, handler)
            await handler.connect_async()  # type: ignore[no-untyped-call]
            await slack.sockets.wait_connected()
        else:
            await stack.enter_async_context(_over_http(slack, bot))
        yield bot


async def _close(handler: AsyncSocketModeHandler) -> None:
    await handler.close_async()  # type: ignore[no-untyped-call]
    session: aiohttp.ClientSession = handler.client.aiohttp_client_session
    await session.close()


@asynccontextmanager
async def _over_http(slack: Slack, bot: Bot) -> AsyncGenerator[None]:
    handler = AsyncSlackRequestHandler(bot.app)

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    asgi = Starlette(routes=[Route("/slack/events", endpoint, methods=["POST"])])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(asgi))
    url = RequestUrl("http://127.0.0.1/slack/events", slack.workspace.now, client=client)
    slack.use_request_url(url)
    yield
    await url.aclose()
