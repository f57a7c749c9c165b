"""What each method of the Web API takes and refuses, from any caller: encodings, tokens, scopes, missing arguments."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, get_args

import aiohttp
import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.faults import Refusal
from sandbox.slack.methods import METHODS
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.support.shared import shared

FORM, JSON = "application/x-www-form-urlencoded", "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Fact:
    """What we know of a method: whether it looks into JSON, which scopes will do, and what it cannot do without."""

    takes_json: bool
    scopes: tuple[str, ...]
    needs: Mapping[str, str]


CHANNEL, USER = {"channel": APPROVALS_CHANNEL}, {"user": "U0ERIN"}
CHATS, READS = ("chat:write",), ("channels:read", "groups:read", "im:read")
FACTS = {
    "auth.test": Fact(takes_json=True, scopes=(), needs={}),
    "team.info": Fact(takes_json=True, scopes=("team:read",), needs={}),
    "chat.postMessage": Fact(takes_json=True, scopes=CHATS, needs=CHANNEL),
    "chat.update": Fact(takes_json=True, scopes=CHATS, needs={**CHANNEL, "ts": "1.0"}),
    "chat.delete": Fact(takes_json=True, scopes=CHATS, needs={**CHANNEL, "ts": "1.0"}),
    "chat.postEphemeral": Fact(takes_json=True, scopes=CHATS, needs={**CHANNEL, **USER}),
    "chat.getPermalink": Fact(takes_json=False, scopes=(), needs={**CHANNEL, "message_ts": "1.0"}),
    "conversations.open": Fact(takes_json=True, scopes=("im:write",), needs={"users": "U0ERIN"}),
    "conversations.info": Fact(takes_json=False, scopes=READS, needs=CHANNEL),
    "conversations.members": Fact(takes_json=False, scopes=READS, needs=CHANNEL),
    "users.info": Fact(takes_json=False, scopes=("users:read",), needs=USER),
    "users.lookupByEmail": Fact(takes_json=False, scopes=("users:read.email",), needs={"email": "erin@acme.example"}),
    "usergroups.list": Fact(takes_json=False, scopes=("usergroups:read",), needs={}),
    "usergroups.users.list": Fact(takes_json=False, scopes=("usergroups:read",), needs={"usergroup": PLATFORM_GROUP}),
    "views.open": Fact(takes_json=True, scopes=(), needs={"trigger_id": "1.2.3"}),
    "views.push": Fact(takes_json=True, scopes=(), needs={"trigger_id": "1.2.3"}),
    "views.update": Fact(takes_json=True, scopes=(), needs={"view": '{"type":"modal"}'}),
    "views.publish": Fact(takes_json=True, scopes=(), needs={"user_id": "U0ERIN"}),
}
"""But for `apps.connections.open`, which takes another token."""
NEEDY = [name for name, fact in FACTS.items() if fact.needs]


@pytest.fixture
def slack() -> Slack:
    return Slack(lambda: datetime.now(UTC))


@pytest.fixture
async def url(slack: Slack) -> AsyncIterator[str]:
    async with running(slack) as base:
        granted(slack, *(scope for fact in FACTS.values() for scope in fact.scopes))
        yield base


def granted(slack: Slack, *scopes: str) -> None:
    """From now on the app has these scopes."""
    slack.workspace.app = replace(slack.workspace.app, scopes=frozenset(scopes))


async def called(
    url: str, method: str, body: bytes, content_type: str | None, token: str = BOT_TOKEN
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", **({"Content-Type": content_type} if content_type else {})}
    skipped = () if content_type else ("Content-Type",)
    async with (
        aiohttp.ClientSession(skip_auto_headers=skipped) as session,
        session.post(f"{url}/api/{method}", data=body, headers=headers) as answer,
    ):
        said: dict[str, Any] = await answer.json()
        return said


def as_json(args: Mapping[str, str]) -> bytes:
    return json.dumps(args).encode()


def as_form(args: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={value.replace('@', '%40')}" for name, value in args.items()).encode()


def test_all_methods_are_known_here() -> None:
    assert {*FACTS, "apps.connections.open"} == set(METHODS)


@pytest.mark.parametrize("code", get_args(Refusal))
def test_a_message_is_refused_with_what_slack_documents_for_it(code: str) -> None:
    assert code in json.loads(shared("slack-methods.json").read_text("utf-8"))["chat.postMessage"]["errors"]


@pytest.mark.parametrize("method", FACTS)
def test_what_we_wrote_down_is_what_slack_documents(method: str) -> None:
    documented = json.loads(shared("slack-methods.json").read_text("utf-8"))[method]

    assert FACTS[method].takes_json is documented["json"]
    assert set(FACTS[method].scopes) <= set(documented["bot_scopes"])
    assert bool(FACTS[method].scopes) is bool(documented["bot_scopes"])


@pytest.mark.parametrize("method", NEEDY)
async def test_arguments_count_in_the_encodings_that_the_method_takes_and_in_no_other(url: str, method: str) -> None:
    fact = FACTS[method]
    nothing = await called(url, method, b"", None)

    by_form = await called(url, method, as_form(fact.needs), FORM)
    by_json = await called(url, method, as_json(fact.needs), JSON)

    assert nothing["error"] == "invalid_arguments"
    assert by_form != nothing
    assert (by_json == nothing) is not fact.takes_json
    assert not fact.takes_json or by_json.get("error") == by_form.get("error")


async def test_an_option_in_json_that_the_method_does_not_look_into_is_not_there(url: str) -> None:
    asked = {"include_users": "true"}

    by_form = await called(url, "usergroups.list", as_form(asked), FORM)
    by_json = await called(url, "usergroups.list", as_json(asked), JSON)

    assert "users" in by_form["usergroups"][0]
    assert "users" not in by_json["usergroups"][0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"user=U0ERIN", None, "missing_post_type"),
        (b"user=U0ERIN", "text/plain", "invalid_post_type"),
        (b"user=\xff\xfe", FORM, "invalid_form_data"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    url: str, method: str, body: bytes, content_type: str | None, error: str
) -> None:
    assert (await called(url, method, body, content_type))["error"] == error


@pytest.mark.parametrize("method", FACTS)
async def test_a_method_needs_one_of_its_scopes_and_no_other(slack: Slack, url: str, method: str) -> None:
    fact = FACTS[method]

    granted(slack, *slack.workspace.app.scopes - set(fact.scopes))
    without = await called(url, method, as_form(fact.needs), FORM)
    granted(slack, *fact.scopes[:1])
    with_one = await called(url, method, as_form(fact.needs), FORM)

    assert (without.get("error") == "missing_scope") is bool(fact.scopes)
    assert without.get("needed", ",".join(fact.scopes)) == ",".join(fact.scopes)
    assert with_one.get("error") != "missing_scope"


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_takes_its_own_kind_of_token(url: str, method: str) -> None:
    other = BOT_TOKEN if method == "apps.connections.open" else APP_TOKEN

    assert (await called(url, method, b"", None, other))["error"] == "not_allowed_token_type"
    assert (await called(url, method, b"", None, "xoxb-nobody"))["error"] == "invalid_auth"
