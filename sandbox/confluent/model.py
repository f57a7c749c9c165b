"""What a Confluent Cloud organization is made of. Plain values; `organization.py` holds and changes them."""

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
"""Kinds whose clusters are no more than their rows say."""
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
    """A Kafka cluster, `lkc-…`; `host` is host and port of its REST and bootstrap endpoint."""

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
        """Host and port that Kafka clients begin with."""
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
    """A ksqlDB cluster, `lksqlc-…`, on a Kafka cluster; as public as that one."""

    id: str
    name: str
    environment: str
    kafka_cluster: str
    host: str
    created_at: datetime
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class PlainCluster:
    """A cluster of a kind of which nothing was recorded: it is as the row of its kind says."""

    kind: Kind
    id: str
    name: str
    environment: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Region:
    """A cloud region with Flink and Tableflow; its id is `aws.us-east-1`."""

    cloud: str
    name: str
    display_name: str

    @property
    def id(self) -> str:
        """The id in Flink's spelling."""
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
    """A role of a principal (`u-…`, `sa-…`, without `User:`) at a CRN pattern."""

    id: str
    principal: str
    role: str
    crn_pattern: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyResource:
    """What a key is for: `id` and `environment` as the creator spelt them, `crn` is the place roles must reach."""

    kind: Kind
    id: str
    crn: str
    environment: str | None = None


@dataclass(slots=True)
class ApiKey:
    """An API key; an owner of None marks Confluent's internal keys. The secret itself is not in here.

    It is gone from `expires_at` on, which only its create sets.

    Some old Cloud keys are reported without any resource: `says_resource` is False for these.
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
        """Whether `secret` is the secret of this key."""
        return hmac.compare_digest(self.secret_digest, digest(secret))


@dataclass(slots=True)
class Quota:
    """A limit on how many of something may exist; `limit` is the applied one and may be set at any time.

    `limits` are those that a single user, service account, cluster or environment has in place of it, by id.
    """

    code: str
    scope: str
    name: str
    limit: int
    default: int
    limits: dict[str, int] = field(default_factory=dict[str, int])

    def limit_for(self, holder: str) -> int:
        """How many this holder may have; the organization itself is ""."""
        return self.limits.get(holder, self.limit)


def digest(secret: str) -> bytes:
    """What the organization keeps of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """A secret of 64 characters in Confluent's form, with a check value that is always wrong.

    A right one would make secret scanners take a sandbox secret for a leaked one.
    """
    middle = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(54))
    wrong = (zlib.crc32(middle.encode()) ^ 0xFFFFFFFF).to_bytes(4, "little")
    return f"cflt{middle}{base64.b64encode(wrong).decode().rstrip('=')}"


def new_key_id() -> str:
    """Sixteen characters A-Z0-9."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))


def new_id(prefix: str) -> str:
    """An id such as `sa-x7k2m9`."""
    return f"{prefix}-" + "".join(secrets.choice(_ID_ALPHABET.lower()) for _ in range(6))
