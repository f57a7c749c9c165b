"""Checks of Confluent Cloud: whether it accepts Latchkey's own key, and whether that key can see everything."""

from bot.confluent.cloud import ConfluentCloud
from bot.diagnosis.findings import Finding, failed, looked, ok, unseen
from bot.domain.errors import KeyRefused, Throttled

KEY, RIGHTS = "Confluent Cloud", "rights at Confluent"
CHECKS = (KEY, RIGHTS)


async def examine(cloud: ConfluentCloud) -> list[Finding]:
    """Check everything about Confluent Cloud. Changes nothing there, and raises no `LatchkeyError`."""
    key = await looked(KEY, _key(cloud))
    if key.state != "ok":
        return [key, *unseen((RIGHTS,), "Confluent Cloud has to accept Latchkey's key first.")]
    return [key, await looked(RIGHTS, _rights(cloud))]


async def _key(cloud: ConfluentCloud) -> Finding:
    try:
        return ok(KEY, f"organization {await cloud.organization()}")
    except KeyRefused:
        return failed(
            KEY,
            "Confluent Cloud rejects CONFLUENT_CLOUD_API_KEY with CONFLUENT_CLOUD_API_SECRET, or this address (an IP "
            "filter).",
            "Use a Cloud API key (not one of a cluster) that still exists, with its own secret, and check the IP "
            "filters.",
        )


async def _rights(cloud: ConfluentCloud) -> Finding:
    try:
        await cloud.must_see_all()
    except Throttled as error:
        if not error.advice:  # this is Confluent's own rate limit, not a missing role
            raise
        return failed(RIGHTS, f"{error}.", "Give the owner of CONFLUENT_CLOUD_API_KEY the role OrganizationAdmin.")
    return ok(RIGHTS)
