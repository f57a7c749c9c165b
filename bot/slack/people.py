"""Slack users as Slack knows them now."""

from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import Unavailable, Undeliverable
from bot.domain.keys import SlackUserId, TeamId, normal_email
from bot.services.ports import Profile
from bot.slack.replies import call

_ABSENT = {"user_not_found", "user_not_visible", "users_not_found"}


@dataclass(frozen=True, slots=True)
class SlackPeople:
    """`People` over `users.info`, read afresh every time: it takes 100 calls a minute."""

    client: AsyncWebClient

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user, or None when Slack does not know or show them. Raises `Unavailable`."""
        try:
            answer = await call(self.client, "users.info", {"user": user}, form=True)
        except Undeliverable as error:
            if error.reason in _ABSENT:
                return None
            raise Unavailable(_AWAY, log=f"users.info: {error.reason}") from None
        return _profile(answer["user"])


def _profile(found: dict[str, Any]) -> Profile:
    profile: dict[str, Any] = found.get("profile") or {}
    return Profile(
        id=SlackUserId(found["id"]),
        team=TeamId(found.get("team_id") or profile.get("team") or ""),
        name=profile.get("real_name") or found.get("real_name") or found.get("name") or found["id"],
        email=normal_email(profile.get("email") or ""),
        # Absent means unknown, and unknown means no.
        email_confirmed=found.get("is_email_confirmed") is True,
        is_bot=bool(found.get("is_bot")) or found["id"] == "USLACKBOT",
        is_guest=any(found.get(flag) for flag in ("is_restricted", "is_ultra_restricted", "is_stranger")),
        deleted=bool(found.get("deleted")),
    )


_AWAY = "Slack did not say who you are, so nothing was changed. Try again in a minute."
