"""Computes how much of each quota is used, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot.domain.kinds import Kind
from sandbox.confluent.model import KeyResource

if TYPE_CHECKING:
    from sandbox.confluent.organization import Organization


def of(organization: Organization, code: str) -> Counter[str]:
    """How much each holder uses of a quota, by ID; the organization's own use is under ""."""
    match code.split("."):
        case ["iam", "max_cloud_api_keys", "per_org"]:
            return Counter("" for key in organization.api_keys.values() if key.resource.kind is Kind.CLOUD)
        case ["iam", "max_cloud_api_keys" | "max_cluster_api_keys" as things, group]:
            return _by_owner(organization, is_cloud=things == "max_cloud_api_keys", are_users=group == "per_user")
        case ["kafka", "max_api_keys", "per_cluster"]:
            resources = (key.resource for key in organization.api_keys.values())
            return Counter(resource.id for resource in resources if resource.kind is Kind.KAFKA)
        case ["kafka", "max_kafka_clusters", "per_env"]:
            return Counter(cluster.environment for cluster in organization.kafka_clusters.values())
        case ["iam", things, "per_org"]:
            counted = {
                "max_service_accounts": len(organization.service_accounts),
                "max_users": len(organization.users),
                "max_environments": len(organization.environments),
            }
            return Counter({"": counted.get(things, 0)})
        case _:
            return Counter()


def of_new_key(organization: Organization, resource: KeyResource, owner: str | None) -> Iterator[tuple[str, str, str]]:
    """The quotas that a new key counts toward: code, holder, and what Confluent's refusal calls the holder."""
    if resource.kind is Kind.GLOBAL:
        return  # they have their own quotas, which aren't published
    is_cloud = resource.kind is Kind.CLOUD
    group, who = ("user", "This user") if owner in organization.users else ("service_account", "This service account")
    yield f"iam.max_{'cloud' if is_cloud else 'cluster'}_api_keys.per_{group}", owner or "", who
    if is_cloud:
        yield "iam.max_cloud_api_keys.per_org", "", "Your organization"
    if resource.kind is Kind.KAFKA:
        yield "kafka.max_api_keys.per_cluster", resource.id, "This cluster"


def _by_owner(organization: Organization, *, is_cloud: bool, are_users: bool) -> Counter[str]:
    return Counter(
        key.owner
        for key in organization.api_keys.values()
        if key.owner is not None
        and (key.owner in organization.users) == are_users
        and (key.resource.kind is Kind.CLOUD) == is_cloud
        and key.resource.kind is not Kind.GLOBAL
    )
