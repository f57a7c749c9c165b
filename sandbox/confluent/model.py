"""The parts of a Confluent Cloud organization, as plain values. `organization.py` stores and changes them."""

import base64
import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.kinds import PLACED, Kind, Shape

_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"
PLAIN = tuple(
    kind for kind in PLACED if kind.row.shape is Shape.CLUSTER and kind not in {Kind.KAFKA, Kind.SCHEMA_REGISTRY}
)
"""Kinds whose clusters have only the properties in their rows."""
_ID_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment, `env-…`."""

    id: str
    name: str
    package: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KafkaCluster:
    """A Kafka cluster, `lkc-…`. `host` is host and port of its REST and bootstrap endpoints."""

    id: str
    name: str
    environment: str
    kind: str
    host: str
    created_at: datetime
    cloud: str = "AWS"
    region: str = "us-east-1"
    is_public: bool = True

    @property
    def bootstrap(self) -> str:
        """Host and port that Kafka clients connect to first."""
        return f"{self.host.partition(':')[0]}:9092"


@dataclass(frozen=True, slots=True)
class SchemaRegistry:
    """The Schema Registry of an environment, `lsrc-…`."""

    id: str
    name: str
    environment: str
    package: str
    created_at: datetime
    cloud: str = "AWS"
    region: str = "us-east-1"
    is_public: bool = True


@dataclass(frozen=True, slots=True)
class KsqlCluster:
    """A ksqlDB cluster, `lksqlc-…`, on a Kafka cluster. It's public if that one is."""

    id: str
    name: str
    environment: str
    kafka_cluster: str
    host: str
    created_at: datetime
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class PlainCluster:
    """A cluster of a kind without recorded responses; it has only the properties in its kind's row."""

    kind: Kind
    id: str
    name: str
    environment: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Region:
    """A cloud region with Flink and Tableflow. Its ID is `aws.us-east-1`."""

    cloud: str
    name: str
    display_name: str

    @property
    def id(self) -> str:
        """The ID in Flink's spelling."""
        return f"{self.cloud.lower()}.{self.name}"

    @property
    def private_flink_host(self) -> str:
        """The host of the region's Flink SQL endpoint in a private network."""
        return f"flink.{self.name}.{self.cloud.lower()}.private.confluent.cloud"


@dataclass(frozen=True, slots=True)
class ComputePool:
    """A Flink compute pool, `lfcp-…`."""

    id: str
    name: str
    environment: str
    region: Region
    created_at: datetime


@dataclass(slots=True)
class User:
    """A person, `u-…`."""

    id: str
    email: str
    full_name: str
    created_at: datetime


@dataclass(slots=True)
class ServiceAccount:
    """A service account, `sa-…`."""

    id: str
    name: str
    description: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """A principal's role (`u-…` or `sa-…`, without `User:`) at a CRN pattern."""

    id: str
    principal: str
    role: str
    crn_pattern: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyResource:
    """What a key is for. `id` and `environment` are as the creator spelled them; roles have to cover `crn`."""

    kind: Kind
    id: str
    crn: str
    environment: str | None = None


@dataclass(slots=True)
class ApiKey:
    """An API key. If `owner` is None, it's one of Confluent's internal keys. The secret itself isn't stored.

    It's gone from `expires_at` on, which can be set only when it's created. Responses show some old Cloud keys without
    any resource; then `says_resource` is False.
    """

    id: str
    name: str
    description: str
    owner: str | None
    resource: KeyResource
    secret_digest: bytes
    created_at: datetime
    updated_at: datetime
    says_resource: bool = True
    expires_at: datetime | None = None

    def opened_by(self, secret: str) -> bool:
        """Whether `secret` is this key's secret."""
        return hmac.compare_digest(self.secret_digest, digest(secret))


@dataclass(slots=True)
class Quota:
    """A limit on how many of something can exist. `limit` is the applied one, and may be changed at any time.

    `limits` has the limits of single users, service accounts, clusters or environments that differ from it, by ID.
    """

    code: str
    scope: str
    name: str
    limit: int
    default: int
    limits: dict[str, int] = field(default_factory=dict[str, int])

    def limit_for(self, holder: str) -> int:
        """How many this holder can have; the organization is ""."""
        return self.limits.get(holder, self.limit)


def digest(secret: str) -> bytes:
    """What the organization stores of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """A secret of 64 characters in Confluent's format, with a wrong checksum.

    With the right one, secret scanners would take the sandbox's secrets for leaked ones.
    """
    middle = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(54))
    wrong = (zlib.crc32(middle.encode()) ^ 0xFFFFFFFF).to_bytes(4, "little")
    return f"cflt{middle}{base64.b64encode(wrong).decode().rstrip('=')}"


def new_key_id() -> str:
    """Sixteen characters A-Z0-9."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))


def new_id(prefix: str) -> str:
    """An ID such as `sa-x7k2m9`."""
    return f"{prefix}-" + "".join(secrets.choice(_ID_ALPHABET.lower()) for _ in range(6))
