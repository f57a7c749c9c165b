"""Checks of Slack: tokens, scopes, channels, people, and the address for answers to clicks."""

from collections.abc import AsyncIterator

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.assembly import response_url_bases
from bot.connections import installation_problem, introduced
from bot.diagnosis.findings import Finding, failed, looked, ok, unknown, unseen, warning
from bot.domain.errors import Unavailable
from bot.domain.policy import Policy
from bot.settings import Settings, StartupError
from bot.slack.api.client import Unreachable, unreachable
from bot.slack.api.people import unconfirmed
from bot.slack.api.workspace import SCOPES, Workspace, app_token_problem, channel_problem

TOKEN, SCOPE, APP_TOKEN, SIGNING = "Slack", "Slack scopes", "Slack app token", "signing secret"
CHANNELS, PEOPLE, ANSWERS = "channels", "people", "answers to clicks"
CHECKS = (TOKEN, SCOPE, APP_TOKEN, SIGNING, CHANNELS, PEOPLE, ANSWERS)
_SHOWN = 5
"""How many people are named."""


async def examine(
    settings: Settings, slack: AsyncWebClient, session: aiohttp.ClientSession, policy: Policy | None
) -> tuple[list[Finding], Workspace | None]:
    """The findings about Slack; and the workspace, unless Slack doesn't say which it is."""
    found, workspace = await _token(slack)
    findings = [found, await looked(APP_TOKEN, _app_token(settings, slack)), _signing_secret(settings)]
    if workspace is None:
        findings += unseen((SCOPE, CHANNELS, PEOPLE), "Slack has to accept the bot token first.")
    else:
        findings.append(_scopes(workspace))
        findings += [each async for each in _policy(slack, policy)]
    findings.append(await looked(ANSWERS, _answers(settings, session)))
    return sorted(findings, key=lambda each: CHECKS.index(each.check)), workspace


async def _token(slack: AsyncWebClient) -> tuple[Finding, Workspace | None]:
    try:
        workspace = await introduced(slack)
    except Unreachable as error:
        way = "Check the network, HTTPS_PROXY, and SLACK_API_URL if it is set."
        return failed(TOKEN, f"Slack didn't answer ({error}).", way), None
    except Unavailable as error:
        return unknown(
            TOKEN, f"Slack is rate-limiting Latchkey ({error}).", "Try again in a minute.", may_pass=True
        ), None
    except StartupError as error:
        return failed(TOKEN, str(error)), None
    if problem := installation_problem(workspace):
        return failed(TOKEN, problem), None
    return ok(TOKEN, f"{workspace.name} ({workspace.team})"), workspace


async def _app_token(settings: Settings, slack: AsyncWebClient) -> Finding:
    if settings.slack_mode != "socket" or settings.slack_app_token is None:
        return ok(APP_TOKEN, "not used in HTTP mode")
    reason = await app_token_problem(slack, settings.slack_app_token.get_secret_value())
    if reason is None:
        return ok(APP_TOKEN)
    return failed(
        APP_TOKEN,
        f"Slack doesn't accept SLACK_APP_TOKEN ({reason}).",
        'Copy it again from "Basic Information" of the Slack app; it needs connections:write.',
    )


def _signing_secret(settings: Settings) -> Finding:
    if settings.slack_mode == "socket":
        return ok(SIGNING, "not used in Socket Mode")
    return unknown(
        SIGNING,
        "Only a request from Slack shows whether SLACK_SIGNING_SECRET is right.",
        'Start Latchkey and type /apikey help. If Slack says that the app did not respond, copy the "Signing Secret" '
        'again from "Basic Information" of the Slack app, and check the request URL there.',
    )


def _scopes(workspace: Workspace) -> Finding:
    if workspace.scopes is None:
        return unknown(SCOPE, "Slack didn't say which scopes the bot token has.")
    missing = [scope for scope in SCOPES if scope not in workspace.scopes]
    if not missing:
        return ok(SCOPE)
    needs = ", ".join(f"{scope} ({SCOPES[scope]})" for scope in missing)
    return failed(
        SCOPE,
        f"The bot token lacks {needs}.",
        'Add it under "OAuth & Permissions" of the Slack app, as `latchkey manifest` has it, and reinstall the app.',
    )


async def _policy(slack: AsyncWebClient, policy: Policy | None) -> AsyncIterator[Finding]:
    if policy is None:
        for each in unseen((CHANNELS, PEOPLE), "The policy file isn't valid."):
            yield each
        return
    yield await looked(CHANNELS, _channels(slack, policy))
    yield await looked(PEOPLE, _people(slack, policy))


async def _channels(slack: AsyncWebClient, policy: Policy) -> Finding:
    problems = [await channel_problem(slack, channel) for channel in policy.channels]
    text = " ".join(filter(None, problems))
    return failed(CHANNELS, text) if text else ok(CHANNELS, ", ".join(policy.channels))


async def _people(slack: AsyncWebClient, policy: Policy) -> Finding:
    found = await unconfirmed(slack, policy)
    if not found.users:
        return unknown(PEOPLE, found.text, may_pass=True) if found.trouble else ok(PEOPLE, found.text)
    more = f" and {len(found.users) - _SHOWN} more" if len(found.users) > _SHOWN else ""
    who = f"{', '.join(found.users[:_SHOWN])}{more}"
    return warning(
        PEOPLE,
        f"{found.text} ({who})",
        "Add a `people:` line to the policy file for each of them who requests or approves keys.",
    )


async def _answers(settings: Settings, session: aiohttp.ClientSession) -> Finding:
    problem = await unreachable(session, response_url_bases(settings))
    return failed(ANSWERS, problem) if problem else ok(ANSWERS)
