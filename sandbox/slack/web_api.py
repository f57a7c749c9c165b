"""The entry to the Web API: tokens, scopes, argument formats and faults, and then the method itself."""

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.gate import Gate
from sandbox.serving import drop_connection
from sandbox.slack.blocks import Json
from sandbox.slack.errors import SlackError
from sandbox.slack.faults import ANY_METHOD, Answers, Faults
from sandbox.slack.methods import METHODS, Call, Method, Token
from sandbox.slack.response_urls import ResponseUrls
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.views import Views
from sandbox.slack.workspace import Workspace

BOT_TOKEN = "xoxb-sandbox-bot"
APP_TOKEN = "xapp-sandbox-app"
TOKENS: dict[str, Token] = {BOT_TOKEN: "bot", APP_TOKEN: "app"}
RESPONSE_URL = "response_url"
APP_SCOPES = frozenset({"connections:write"})

_PAGE = b"<html><title>Blocked</title></html>"
_WEB, _JSON = {"Content-Type": "text/html"}, {"Content-Type": "application/json; charset=utf-8"}
_ANSWERS: Mapping[Answers, tuple[bytes, int, Mapping[str, str]]] = {
    "web page": (_PAGE, 200, _WEB),
    "nothing": (b"", 200, _JSON),
    "broken JSON": (b'{"ok": tru', 200, _JSON),
    "null": (b"null", 200, _JSON),
    "a list": (b"[]", 200, _JSON),
    "a string": (b'"ok"', 200, _JSON),
    "403, web page": (_PAGE, 403, _WEB),
    "token revoked": (b'{"ok": false, "error": "token_revoked"}', 200, _JSON),
}


class WebApi:
    """`/api/{method}` and `/hooks/…`, as ASGI endpoints."""

    def __init__(
        self, workspace: Workspace, views: Views, sockets: SocketMode, urls: ResponseUrls, faults: Faults
    ) -> None:
        self._workspace = workspace
        self._views = views
        self._sockets = sockets
        self._urls = urls
        self._faults = faults

    async def call(self, request: Request) -> Response:
        """Handle one Web API call."""
        name = request.path_params["method"]
        try:
            args = await _arguments(request, takes_json=name not in METHODS or METHODS[name].takes_json)
            self._workspace.record(name, self._audience(args), args)
            await asyncio.sleep(self._faults.slow)
            if self._faults.take_rate_limit(name):
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "1"})
            if self._faults.take_failure(name):
                return PlainTextResponse("Internal Server Error", 500)
            if (unreadable := _ANSWERS.get(self._faults.answers)) and self._faults.method in (ANY_METHOD, name):
                return Response(*unreadable)
            await self._pass(self._faults.hold_before, name)
            answer = self._answer(name, args, _token(request, args))
            await self._pass(self._faults.hold_after, name)
        except SlackError as refusal:
            return JSONResponse(refusal.as_json())
        return answer

    async def respond(self, request: Request) -> Response:
        """Handle one post to a response_url."""
        path, fault = request.url.path, self._faults.response_url
        try:
            body = _object(await request.body(), "invalid_payload")
            self._workspace.record(RESPONSE_URL, self._urls.audience(path, body), body)
            if fault == "dropped":
                return _Dropped()
            if fault in ("500", "404"):
                return JSONResponse({"ok": False, "error": "sandbox_fault"}, int(fault))
            await self._pass(self._faults.hold_before, RESPONSE_URL)
            self._urls.post(path, body)
            await self._pass(self._faults.hold_after, RESPONSE_URL)
        except SlackError as refusal:
            return JSONResponse(refusal.as_json(), 404 if refusal.code in ("expired_url", "used_url") else 400)
        if fault == "answer lost":
            return _Dropped()
        in_words = self._workspace.manners.draw("response_url") == "ok"
        return PlainTextResponse("ok") if in_words else JSONResponse({"ok": True})

    async def _pass(self, gates: Mapping[str, Gate], name: str) -> None:
        if name in gates:
            await gates[name].pass_through()

    def _answer(self, name: str, args: Json, token: str) -> Response:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method")
        granted = self._check_token(method, token)
        self._strike(name, args)
        answer = method.run(Call(args, self._workspace, self._views, self._sockets))
        return JSONResponse({"ok": True, **answer}, headers={"x-oauth-scopes": ",".join(sorted(granted))})

    def _check_token(self, method: Method, token: str) -> frozenset[str]:
        if not token:
            raise SlackError("not_authed")
        if token not in TOKENS:
            raise SlackError("invalid_auth")
        if TOKENS[token] != method.token:
            raise SlackError("not_allowed_token_type")
        granted = self._workspace.app.scopes if method.token == "bot" else APP_SCOPES
        if method.scopes and not granted & set(method.scopes):
            raise SlackError("missing_scope", needed=",".join(method.scopes), provided=",".join(sorted(granted)))
        return granted

    def _audience(self, args: Json) -> str:
        if "view" in args and "user_id" not in args:
            return self._views.audience(str(args.get("trigger_id")), str(args.get("view_id")))
        return str(next((args[name] for name in ("user", "user_id", "channel", "users") if args.get(name)), ""))

    def _strike(self, name: str, args: Json) -> None:
        """Raise the refusal that a fault requires."""
        faults = self._faults
        if name in ("views.open", "views.push") and faults.take_once("expired_trigger"):
            raise SlackError("expired_trigger_id")
        if name in ("views.update", "views.publish") and args.get("hash") and faults.take_once("hash_conflict"):
            raise SlackError("hash_conflict")
        is_channel = args.get("channel") not in self._workspace.people and not str(args.get("channel")).startswith("D")
        if name == "chat.postMessage" and faults.channel_not_found == "on" and is_channel:
            raise SlackError("channel_not_found")
        if name == "chat.postMessage" and faults.messages_refused == ("channels" if is_channel else "direct messages"):
            raise SlackError(faults.messages_refused_with)


class _Dropped(Response):
    """No response: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - nothing is sent
        await drop_connection(scope, receive)


def _token(request: Request, args: Json) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else str(args.get("token") or "")


async def _arguments(request: Request, *, takes_json: bool) -> Json:
    # A token in the URL isn't accepted: any web page could link to it.
    args: Json = {name: value for name, value in request.query_params.items() if name != "token"}
    if body := await request.body():
        args |= _posted(body, request.headers.get("Content-Type", ""), takes_json=takes_json)
    for name, error in (("blocks", "invalid_blocks_format"), ("view", "invalid_arguments")):
        if isinstance(args.get(name), str):
            args[name] = _json(args[name], error)
    return args


def _posted(body: bytes, content_type: str, *, takes_json: bool) -> Json:
    """The arguments in a body. A method that accepts no JSON ignores such a body."""
    kind = content_type.partition(";")[0].strip().lower()
    if not kind:
        raise SlackError("missing_post_type")
    if kind == "application/json":
        return _object(body, "invalid_json") if takes_json else {}
    if kind != "application/x-www-form-urlencoded":
        raise SlackError("invalid_post_type")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except ValueError:
        raise SlackError("invalid_form_data") from None


def _object(text: bytes, error: str) -> Json:
    parsed = _json(text, error)
    if not isinstance(parsed, dict):
        raise SlackError(error)
    return parsed


def _json(text: str | bytes, error: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise SlackError(error) from None
