"""Counting people whom Latchkey cannot find at Confluent, because Slack confirms no e-mail address of theirs."""

from collections.abc import AsyncIterator

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Undeliverable
from bot.domain.keys import SlackUserId
from bot.domain.policy import Policy
from bot.slack.api.client import call
from bot.slack.api.people import SlackPeople

MOST = 100
"""How many people are looked at: `users.info` takes some hundred calls a minute, and a running Latchkey needs some."""
PAGE = 200
"""Members that one call asks for."""


async def unconfirmed(client: AsyncWebClient, policy: Policy) -> str:
    """How many members of the policy's channels and groups have no confirmed address, and what to do. Never raises."""
    people, looked, found, trouble = SlackPeople(client), 0, 0, ""
    try:
        seen = set(policy.people)
        async for user in _members(client, people, policy):
            if user in seen:
                continue
            seen.add(user)
            if len(seen) - len(policy.people) > MOST:
                trouble = f" Only the first {MOST} were checked."
                break
            profile = await people.profile(user)
            if profile is None or profile.is_bot or profile.is_guest or profile.deleted:
                continue
            looked += 1
            found += not (profile.email and profile.email_confirmed)
    except LatchkeyError as error:
        trouble = f" Slack did not show the others ({error})."
    has = "has" if found == 1 else "have"
    advice = "Add a `people:` line to the policy file for each of them who needs keys." if found else ""
    return f"{found} of {looked} people {has} no confirmed email address in Slack. {advice}".strip() + trouble


async def _members(client: AsyncWebClient, people: SlackPeople, policy: Policy) -> AsyncIterator[SlackUserId]:
    """Everybody in the channels and in the user groups that the policy names; some of them more than once."""
    for channel in sorted({rule.channel for rule in policy.rules}):
        try:
            async for user in _in_channel(client, channel):
                yield user
        except Undeliverable:
            continue  # what is wrong with the channel is said elsewhere
    named = (each.subject for each in policy.mappings if each.is_group)
    notified = (each for rule in policy.rules for each in rule.notify if each.startswith("S"))
    for group in sorted({*named, *notified}):
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
