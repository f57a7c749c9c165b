"""Client configurations for a new key, below the message that shows its secret."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.catalog import Endpoints
from bot.domain.errors import LatchkeyError, NotFound, Refused
from bot.domain.keys import ApiKey, RequestId, Resource
from bot.domain.requests import Confirmed, Ready, Request, Revealing, Shown
from bot.slack.messages import snippets
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from handlers.context import ListenerContext


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the menu of configurations."""

    @app.action(ids.SNIPPET)
    async def configure(ack: AsyncAck, body: Body) -> None:
        opening, (value, request, attempt) = read.opening(body), snippets.chosen(body)
        job = _configure(context, opening, value, request, attempt)
        await context.begin(ack, opening, "show a client configuration", job)


async def _configure(context: ListenerContext, opening: Opening, value: str, request: RequestId, attempt: int) -> None:
    """Answer with a client configuration that only the requester sees. It contains no secret."""
    if not value:
        return  # a choice that was taken back
    stored = await context.requests.get(request)
    if stored is None:
        raise NotFound(_GONE)
    asker = stored.value.ask.requester
    person = await context.directory.identify(opening.by, opening.team)
    if person.slack != asker.slack or person.principal != asker.principal:
        raise Refused("Only the person who requested this key can do this. Nothing changed.")
    key, ask = _key(stored.value, attempt), stored.value.ask
    endpoints = await _endpoints(context, stored.value, ask.resource)
    other = stored.value.life.other if isinstance(stored.value, _IN_HAND) else None
    if value == snippets.FILE:
        blocks = snippets.file(key, ask.owner, ask.resource, endpoints)
        blocks += snippets.file(other.key, ask.owner, ask.also, other.endpoints) if other and ask.also else []
    elif other and ask.also and snippets.is_of_both(value):
        second = (other.key.id, ask.also, other.endpoints)
        blocks = snippets.drawn_both(value, (key.id, ask.resource, endpoints), second)
    else:
        blocks = snippets.drawn(value, key.id, ask.resource, endpoints)
    await context.replies.send(opening.by, opening.reply, "A client configuration for your API key", blocks)


def _key(request: Request, attempt: int) -> ApiKey:
    """The key of this attempt. Raises `NotFound` unless its secret is being shown, or was, and the key still exists."""
    if isinstance(request, _IN_HAND) and request.attempt == attempt:
        return request.key
    raise NotFound(_GONE)


async def _endpoints(context: ListenerContext, request: Request, resource: Resource) -> Endpoints:
    """Where clients find the resource. If Confluent doesn't answer, the configuration says what to fill in."""
    if isinstance(request, Ready):
        return request.endpoints
    try:
        found = await context.cloud.resource(resource.kind, resource.environment, resource.id)
    except LatchkeyError:
        found = None
    return found[1] if found else Endpoints("", "")


_IN_HAND = Ready | Revealing | Shown | Confirmed
_GONE = "This menu is for a key that no longer exists. Nothing changed. `/apikey list` shows your keys."
