"""The sandbox's organization with one more role binding, and a policy for it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.stage import Stage, stage

POLICY = """\
version: 1
channel: C0APPROVE
roles:
  mappings:
    - {group: S0PLATFORM, role: KsqlAdmin, scope: env-dev001/lkc-dev001}
    - {user: U0GUS, role: EnvironmentAdmin, scope: env-dev001}
rules:
  - {name: production, match: {environment: env-prod01, operation: [create, rotate]}, approvals: 2, lifetime: 30d}
  - {name: own dev keys, match: {environment: env-dev001, owner: me}, approvals: 0}
  - {name: no global keys, match: {kind: global}, forbid: "Ask the platform team for a Kafka key instead."}
  - {name: all of us, match: {kind: cloud}, approvals: 5}
"""


@asynccontextmanager
async def acme(folder: Path) -> AsyncIterator[tuple[Stage, Mapping[str, str]]]:
    """A stage with someone whose role is bound by a pattern; and how to reach it."""
    async with stage(folder) as here:
        organization = here.organization
        organization.bind("u-omar01", "CloudClusterAdmin", f"{organization.crn}/environment=*/cloud-cluster=lkc-prod*")
        yield here, here.environment()
