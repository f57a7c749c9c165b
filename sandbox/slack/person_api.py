"""The JSON API of the sandbox's page: shows what one person sees, and does what they can do."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox import cast
from sandbox.cast import Actor
from sandbox.slack.blocks import Json, Values
from sandbox.slack.errors import NotPossible
from sandbox.slack.interactions import Interactions
from sandbox.slack.views import Views
from sandbox.slack.workspace import Workspace

Deed: TypeAlias = Callable[[str, Json], Awaitable[Json]]
"""Something that a person does: takes user ID and request body, returns the response."""


class PersonApi:
    """Routes below `/person`."""

    def __init__(self, workspace: Workspace, views: Views, interactions: Interactions) -> None:
        self._workspace = workspace
        self._views = views
        self._interactions = interactions
        self._streams: set[asyncio.Queue[Json | None]] = set()

    def routes(self) -> list[Route]:
        """All routes."""
        deeds: dict[str, Deed] = {
            "command": self._command,
            "message": self._message,
            "action": self._action,
            "suggest": self._suggest,
            "submit": self._submit,
            "close": self._close,
            "shortcut": self._shortcut,
            "message_shortcut": self._message_shortcut,
            "home": self._home,
        }
        return [
            Route("/person", self._people),
            Route("/person/{user}/state", self._state),
            Route("/person/{user}/events", self._events),
            *(Route(f"/person/{{user}}/{name}", _endpoint(deed), methods=["POST"]) for name, deed in deeds.items()),
        ]

    def end_streams(self) -> None:
        """End every event stream, so that the server can stop."""
        for queue in self._streams:
            queue.put_nowait(None)

    # What a person sees

    async def _people(self, _request: Request) -> Response:
        people = [_about(each) for each in self._workspace.people.values()]
        return JSONResponse({"people": people, "workspace": {"name": cast.TEAM_NAME}})

    async def _state(self, request: Request) -> Response:
        user = request.path_params["user"]
        if user not in self._workspace.people:
            return JSONResponse({"error": "No such person."}, 404)
        channels = self._workspace.channels_of(user)
        session = self._workspace.session(user, request.query_params.get("session", ""))
        return JSONResponse(
            {
                "me": _about(self._workspace.people[user]),
                "channels": [
                    {
                        "id": each.id,
                        "name": each.name,
                        "kind": each.kind,
                        "is_private": each.is_private,
                        "members": len(each.members),
                        "topic": each.topic,
                    }
                    for each in channels
                ],
                "messages": {each.id: self._workspace.messages(each.id) for each in channels},
                "bells": {each.id: self._workspace.bells(user, each.id) for each in channels},
                "home": self._views.home(user),
                "views": self._views.stack_before(session) if session else self._views.stack(user),
                "commands": self._workspace.app.commands,
                "shortcuts": self._workspace.app.shortcuts,
                "message_shortcuts": self._workspace.app.message_shortcuts,
            }
        )

    async def _events(self, request: Request) -> Response:
        user = request.path_params["user"]
        if user not in self._workspace.people:
            return JSONResponse({"error": "No such person."}, 404)
        stream = self._stream(user, request.query_params.get("session", ""))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _stream(self, user: str, session_id: str) -> AsyncGenerator[str, None]:
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        session = self._workspace.connect(user, queue.put_nowait, session_id)
        mine = session.deliver
        self._streams.add(queue)
        try:
            yield ": connected\n\n"
            while (event := await queue.get()) is not None:
                yield f"data: {json.dumps(event)}\n\n"
        finally:
            self._streams.discard(queue)
            if session.deliver is mine:  # otherwise the client has already reconnected
                session.deliver = None

    # What a person does

    async def _command(self, user: str, body: Json) -> Json:
        await self._interactions.command(user, body["channel"], body["text"])
        return {}

    async def _message(self, user: str, body: Json) -> Json:
        self._interactions.message(user, body["channel"], body["text"], body.get("thread_ts"))
        return {}

    async def _action(self, user: str, body: Json) -> Json:
        where, action, sent = body["container"], body["action"], _values(body)
        if where["type"] == "view":
            sent = self._in_view(user, where["view_id"], sent)
            await self._interactions.act_in_view(user, where["view_id"], action, sent)
        elif where.get("ephemeral"):
            await self._interactions.act_in_ephemeral(user, where["channel"], where["ts"], action, sent)
        else:
            await self._interactions.act_in_message(user, where["channel"], where["ts"], action, sent)
        return {}

    async def _suggest(self, user: str, body: Json) -> Json:
        query = (body["block_id"], body["action_id"], body["value"])
        if "container" not in body:
            try:
                sent = self._in_view(user, body["view_id"], _values(body))
                return await self._interactions.suggest(user, body["view_id"], *query, sent)
            except NotPossible:
                return {
                    "options": []
                }  # the view was drawn again while the person typed; the page is about to hear of it
        where = body["container"]
        is_ephemeral = bool(where.get("ephemeral"))
        place = (where["channel"], where["ts"])
        return await self._interactions.suggest_in_message(user, *place, query, is_ephemeral=is_ephemeral)

    async def _submit(self, user: str, body: Json) -> Json:
        sent = self._in_view(user, body["view_id"], _values(body))
        errors = await self._interactions.submit(user, body["view_id"], sent)
        return {"errors": errors} if errors else {}

    async def _close(self, user: str, body: Json) -> Json:
        await self._interactions.close(user, body["view_id"], everything=bool(body.get("all")))
        return {}

    def _in_view(self, user: str, view_id: str, sent: Values) -> Values:
        return self._views.less_drawn(self._views.seen_by(user, view_id), sent)

    async def _shortcut(self, user: str, body: Json) -> Json:
        await self._interactions.shortcut(user, body["callback_id"])
        return {}

    async def _message_shortcut(self, user: str, body: Json) -> Json:
        await self._interactions.message_shortcut(user, body["channel"], body["ts"], body["callback_id"])
        return {}

    async def _home(self, user: str, body: Json) -> Json:
        await self._interactions.home(user, "messages" if body.get("tab") == "messages" else "home")
        return {}


def _endpoint(deed: Deed) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await deed(request.path_params["user"], await request.json()))
        except NotPossible as reason:
            return JSONResponse({"error": str(reason)}, 409)
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            return JSONResponse({"error": f"This request can't be read: {wrong!r}"}, 400)

    return endpoint


def _values(body: Json) -> Values:
    values: Values = (body.get("state") or {}).get("values") or {}
    return values


def _about(person: Actor) -> Json:
    return {
        "id": person.slack,
        "name": person.name,
        "title": person.title,
        "is_guest": person.is_guest,
        "team": person.team,
        "deleted": person.deleted,
    }
