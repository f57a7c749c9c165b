"""Checks of the policy: whether its file is valid, and whether Slack and Confluent Cloud know the IDs in it."""

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from bot.confluent.cloud import ConfluentCloud
from bot.diagnosis.findings import Finding, failed, ok, unknown, warning
from bot.diagnosis.policy_ids import look_up
from bot.domain.errors import LatchkeyError
from bot.domain.policy import Policy, without_a_file
from bot.policyfile import Finding as Odd
from bot.policyfile import PolicyError, PolicyFile, check, read
from bot.settings import Settings
from bot.slack.api.workspace import Workspace

POLICY, IDS = "policy", "policy ids"
CHECKS = (POLICY, IDS)


def examine(settings: Settings) -> tuple[list[Finding], PolicyFile | None, Policy | None]:
    """The findings about the file; the file, if there is a valid one; and the policy, unless the file is invalid."""
    if settings.latchkey_policy is None:
        policy = without_a_file(settings.latchkey_channel)
        return [ok(POLICY, "the built-in rules, without a file")], None, policy
    try:
        file = read(settings.latchkey_policy, default_channel=settings.latchkey_channel)
    except PolicyError as error:
        return [failed(POLICY, problem) for problem in error.problems], None, None
    found = [_said(POLICY, file, each) for each in check(file)]
    return found or [ok(POLICY, f"digest {file.policy.digest}")], file, file.policy


async def examine_ids(
    settings: Settings,
    file: PolicyFile | None,
    slack: AsyncWebClient,
    workspace: Workspace | None,
    cloud: ConfluentCloud | None,
) -> Sequence[Finding]:
    """The findings about IDs in the file that don't exist, the same as `latchkey policy check --online` reports."""
    if settings.latchkey_policy is None:
        return [ok(IDS, "no policy file, so there are no IDs to check")]
    if file is None:
        return [unknown(IDS, "The policy file isn't valid.")]
    if workspace is None or cloud is None:
        return [unknown(IDS, "Slack and Confluent Cloud have to answer first.")]
    try:
        found = await look_up(slack, workspace, cloud, file)
    except LatchkeyError as error:
        return [unknown(IDS, f"Not everything could be looked up: {error}", "Try again in a minute.", may_pass=True)]
    return [_said(IDS, file, each) for each in found] or [ok(IDS)]


def _said(name: str, file: PolicyFile, found: Odd) -> Finding:
    text = found.written(file.name)
    return warning(name, text, "") if found.is_warning else failed(name, text)
