"""Slack users and user groups as Slack knows them now, and how many have no confirmed email address."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Throttled, TokenRefused, Unavailable, Undeliverable
from bot.domain.keys import SlackUserId, TeamId, normal_email
from bot.domain.policy import Policy
from bot.services.ports.slack import Profile
from bot.slack.api.client import call

_ABSENT = frozenset({"user_not_found", "user_not_visible", "users_not_found"})
_NO_GROUP = frozenset({"no_such_subteam", "plan_upgrade_required"})
"""A disabled group is "no such subteam" too; a workspace on a free plan has none."""
_AWAY = "Slack can't look up people right now."
_GROUPS_AWAY = "Slack can't look up user groups right now."
_CHANNEL_AWAY = "Slack can't look up channels right now."
_UNCHANGED, _SOON = "Nothing changed.", "Try again in a minute."
MOST = 100
"""How many people are looked at: `users.info` takes some hundred calls a minute, and a running Latchkey needs some."""
PAGE = 200
"""Members that one call asks for."""
PAGES = 10
"""Calls for the members of one channel: people beyond them get a direct message, and Slack takes 100 a minute."""


@dataclass(frozen=True, slots=True)
class SlackPeople:
    """`People` and `Channels`, read afresh every time.

    Slack allows about 100 calls of `profile` a minute, 50 of `by_email`, 20 of `members`, and 100 pages of `joined`.
    """

    client: AsyncWebClient

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user, or None if Slack doesn't know or show them. Raises `Unavailable`."""
        answer = await self._ask("users.info", {"user": user}, _ABSENT, _AWAY)
        return _profile(answer["user"]) if answer else None

    async def by_email(self, email: str) -> Profile | None:
        """The user with this address; None if nobody has it, or only a deactivated user. Raises `Unavailable`."""
        answer = await self._ask("users.lookupByEmail", {"email": email}, _ABSENT, _AWAY)
        found = _profile(answer["user"]) if answer else None
        # Slack has its own way of matching; we mean exactly this address.
        return found if found and found.email == normal_email(email) else None

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """The members of a user group; empty if it's disabled or doesn't exist. Raises `Unavailable`."""
        answer = await self._ask("usergroups.users.list", {"usergroup": group}, _NO_GROUP, _GROUPS_AWAY)
        return tuple(SlackUserId(user) for user in answer["users"]) if answer else ()

    async def joined(self, channel: str) -> Sequence[SlackUserId]:
        """The members of a channel, as far as `PAGES` go. Raises `Unavailable`, also for a channel that Slack hides."""
        body, found = {"channel": channel, "limit": str(PAGE)}, list[SlackUserId]()
        for _ in range(PAGES):
            answer = await self._ask("conversations.members", body, frozenset(), _CHANNEL_AWAY) or {}
            found += map(SlackUserId, answer["members"])
            metadata: dict[str, str] = answer.get("response_metadata") or {}
            body["cursor"] = metadata.get("next_cursor", "")
            if not body["cursor"]:
                break
        return found

    async def is_open(self, channel: str) -> bool:
        """Whether a channel is public, and of this workspace alone. Raises `Unavailable`."""
        answer = await self._ask("conversations.info", {"channel": channel}, frozenset(), _CHANNEL_AWAY) or {}
        return answer["channel"].get("is_private") is False

    async def _ask(
        self, method: str, body: Mapping[str, str], absent: frozenset[str], tell: str
    ) -> dict[str, Any] | None:
        """Slack's answer; None if it refuses with a code in `absent`. An unclear answer never counts as absent."""
        try:
            return await call(self.client, method, body, form=True)
        except Undeliverable as error:
            if error.reason in absent:
                return None
            log = f"{method}: {error.reason}"
            if isinstance(error, TokenRefused):
                raise Unavailable(error.happened, changed=_UNCHANGED, advice=error.advice, log=log) from None
            raise Unavailable(tell, changed=_UNCHANGED, again=_SOON, log=log) from None
        except Throttled as error:
            log = f"{method}: {error}"
            raise Throttled(tell, wait=error.wait, changed=_UNCHANGED, again=_SOON, log=log) from None
        except Unavailable as error:
            raise Unavailable(tell, changed=_UNCHANGED, again=_SOON, log=f"{method}: {error}") from None


def _profile(found: dict[str, Any]) -> Profile:
    profile: dict[str, Any] = found.get("profile") or {}
    said: object = found.get("enterprise_user")
    grid = cast("dict[str, object]", said) if isinstance(said, dict) else {}
    teams: object = grid.get("teams")
    return Profile(
        id=SlackUserId(found["id"]),
        team=TeamId(_text(found.get("team_id"))),
        name=profile.get("real_name") or found.get("real_name") or found.get("name") or found["id"],
        email=normal_email(profile.get("email") or ""),
        # Absent means unknown, and unknown means no.
        email_confirmed=found.get("is_email_confirmed") is True,
        is_bot=bool(found.get("is_bot")) or found["id"] == "USLACKBOT",
        is_guest=any(found.get(flag) for flag in ("is_restricted", "is_ultra_restricted", "is_stranger")),
        deleted=bool(found.get("deleted")),
        enterprise=_text(grid.get("enterprise_id")),
        teams=tuple(TeamId(_text(each)) for each in cast("list[object]", teams)) if isinstance(teams, list) else (),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The people without a confirmed address among the `looked` ones; `trouble` is why there may be more."""

    users: tuple[SlackUserId, ...]
    looked: int
    trouble: str = ""

    @property
    def text(self) -> str:
        """Their number as a sentence, and `trouble`."""
        has = "has" if len(self.users) == 1 else "have"
        counted = f"{len(self.users)} of {self.looked} people {has} no confirmed email address in Slack."
        return f"{counted} {self.trouble}".strip()


async def unconfirmed(client: AsyncWebClient, policy: Policy) -> Unconfirmed:
    """Which members of the policy's channels and groups have no confirmed address. Never raises."""
    people, looked, found, trouble = SlackPeople(client), 0, list[SlackUserId](), ""
    try:
        seen = set(policy.people)
        async for user in _members(client, people, policy):
            if user in seen:
                continue
            seen.add(user)
            if len(seen) - len(policy.people) > MOST:
                trouble = f"Only the first {MOST} were checked."
                break
            profile = await people.profile(user)
            if profile is None or profile.is_bot or profile.is_guest or profile.deleted:
                continue
            looked += 1
            if not (profile.email and profile.email_confirmed):
                found.append(user)
    except LatchkeyError as error:
        trouble = f"Slack didn't show the others ({error})."
    return Unconfirmed(tuple(found), looked, trouble)


async def _members(client: AsyncWebClient, people: SlackPeople, policy: Policy) -> AsyncIterator[SlackUserId]:
    """Everyone in the channels and user groups that the policy names; some of them more than once."""
    for channel in sorted({rule.channel for rule in policy.rules}):
        try:
            async for user in _in_channel(client, channel):
                yield user
        except Undeliverable:
            continue  # another check says what is wrong with the channel
    named = (each.subject for each in policy.mappings if each.is_group)
    notified = (each for rule in policy.rules for each in rule.notify if each.startswith("S"))
    asking = (each for selector in policy.selectors for each in selector.groups)
    for group in sorted({*named, *notified, *asking}):
        for user in await people.members(group):
            yield user


async def _in_channel(client: AsyncWebClient, channel: str) -> AsyncIterator[SlackUserId]:
    cursor = ""
    while True:
        page = {"cursor": cursor} if cursor else {}
        answer = await call(client, "conversations.members", {"channel": channel, "limit": PAGE, **page}, form=True)
        for user in answer["members"]:
            yield SlackUserId(user)
        metadata: dict[str, str] = answer.get("response_metadata") or {}
        cursor = metadata.get("next_cursor", "")
        if not cursor:
            return
