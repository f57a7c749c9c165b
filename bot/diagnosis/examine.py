"""`latchkey doctor`: runs every check, whatever the others find."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from bot import metrics
from bot.confluent.cloud import ConfluentCloud
from bot.connections import opened_confluent, opened_slack
from bot.diagnosis import confluent, policy, process, slack, store
from bot.diagnosis.findings import Finding
from bot.settings import Settings

CHECKS = (*process.CHECKS, *policy.CHECKS[:1], *slack.CHECKS, *store.CHECKS, *confluent.CHECKS, *policy.CHECKS[1:])
"""The names of all checks, in the order in which they are printed."""


async def examine(settings: Settings) -> Sequence[Finding]:
    """Check everything that the settings name. Changes nothing at Slack or Confluent Cloud.

    Raises `LatchkeyError` only if the connections themselves can't be opened; failed checks are findings.
    """
    calls = metrics.Calls(CollectorRegistry())
    async with AsyncExitStack() as stack:
        session, client = await opened_slack(stack, settings, calls)
        cloud = ConfluentCloud(await opened_confluent(stack, settings, calls))
        here = await process.examine(settings, session)
        read, file, known = policy.examine(settings)
        at_slack, workspace = await slack.examine(settings, client, session, known)
        stored = await store.examine(settings, workspace.team if workspace else None)
        at_confluent = await confluent.examine(cloud)
        is_known = at_confluent[0].state == "ok"
        ids = await policy.examine_ids(settings, file, client, workspace, cloud if is_known else None)
        return [*here, *read, *at_slack, *stored, *at_confluent, *ids]
