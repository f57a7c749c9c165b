"""The kinds of API keys, one row per kind: what people call it, and how Confluent's APIs spell it.

A new kind is a row here. Other modules ask the row, and branch on no kind (`tests/domain/test_kinds.py`).
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto
from http import HTTPStatus
from typing import Literal, NamedTuple, Self

CLOUDS = ("aws", "azure", "gcp")
"""The cloud providers, as the ids of Confluent's regions begin."""
SOON = timedelta(seconds=5)
"""When a new key of most kinds is tested first."""


class Shape(Enum):
    """Where a kind's resources are, and what tells them apart."""

    CLUSTER = auto()
    """A cluster of an environment, with an id of its own."""
    KSQL = auto()
    """A cluster of an environment that runs on a Kafka cluster."""
    REGION = auto()
    """A region of a cloud provider, which is a different resource in each environment."""
    ORGANIZATION = auto()
    """Nothing to choose: the key belongs to the whole organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """How Confluent's APIs refer to a kind's resources."""

    version: str = ""
    """The `api_version` of references, such as `cmk/v2`; "" if it says nothing."""
    kind: str = ""
    """The `kind` of references; "" if other kinds share it."""
    is_sent: bool = False
    """Whether a request for a key has to contain both."""
    service: str = ""
    """Its name in `endpoint/v1`; "" for none."""
    lists_miss_keys: bool = False
    """Whether a list of keys that is filtered by resource leaves some of this kind out."""

    @property
    def group(self) -> str:
        """The API group: the part of `version` before its `/`."""
        return self.version.partition("/")[0]

    @property
    def collection(self) -> str:
        """The path where Confluent lists the clusters of a kind."""
        return f"/{self.version}/clusters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits for keys of a kind, besides those for all keys. The codes are those of Confluent's quota API."""

    counted_as: Literal["cluster", "cloud", ""] = ""
    """The kind of keys that they count as among their owner's; "" has a limit of its own, with an unknown code."""
    of_resource: str = ""
    """The code of the limit for one resource; "" for none."""
    of_organization: str = ""
    """The code of the limit for the organization, if it isn't the one for all keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How long a new key takes to work, and what its first answers mean."""

    first: timedelta = SOON
    """When to look for the first time."""
    is_twice: bool = False
    """Whether several servers share one address, so the key has to be accepted twice."""
    not_yet: frozenset[int] = frozenset()
    """HTTP statuses that may only mean "not yet", beyond those of every kind."""
    trouble: str = ""
    """The error code that, with HTTP 503, means a fault of the resource itself."""
    trouble_means: str = ""
    """That fault in words, without a period."""
    usual: str = "a few minutes"
    """How long a new key may be rejected, in words."""
    asked: str = ""
    """What a test covers, if that is only a part of what the key opens."""
    unasked: str = ""
    """The sentence about the other parts."""


class Snippet(NamedTuple):
    """A client configuration: what Slack sends back, what people choose, and the name of its template."""

    value: str
    label: str
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """Everything that is particular to a kind of key."""

    value: str
    """The word for the kind in policies, on the command line and in records: it never changes."""
    shape: Shape
    label: str
    """The word before "API key"."""
    noun: str
    """The name of what a key opens."""
    short: str = ""
    """The noun next to its environment, if it's a different one: "Choose a cluster"."""
    about: str
    """A line next to the noun where people choose the kind."""
    hint: str
    """What a key of the kind is for, under the field of the form."""
    plural: str = ""
    """The name of the list in a snapshot; "" for a kind of the whole organization."""
    element: str = ""
    """The name in CRNs; "" for a kind of the whole organization."""
    prefix: str = ""
    """The beginning of every id, where there is one."""
    bootstrap: str = ""
    """The label of the bootstrap address, if clients connect to one that isn't HTTP."""
    endpoint: str = ""
    """The label of the one for HTTP, where it does not follow from the kind's."""
    purpose: str = ""
    """What a key opens that is for no single resource, in words."""
    reach: str = ""
    """What an approver is warned of, to follow "a key for": how far such a key reaches."""
    probe: str
    """The path of a request that a key may make without any further permission, below its address."""
    parts: tuple[str, ...] = ()
    """What roles can be granted on with a key of the kind, by its names in CRNs: inside its resource, or around it."""
    inner: str = ""
    """The name by which a resource appears in CRNs a second time, before its parts; "" if it doesn't."""
    grant: str = ""
    """The flags of `confluent iam rbac role-binding create` for a role that a key of the kind needs at least, with
    `PREFIX` for the beginning of names; "" where it needs none of its own."""
    is_only_one: bool = False
    companion: str = ""
    """The kind whose key can come with one of this kind, in one request: a pair."""
    """Whether an environment usually has one, which the form then chooses."""
    opens_organization: bool = False
    """Whether one key can change the whole organization."""
    api: Api = Api()
    limits: Limits = Limits()
    readiness: Readiness = Readiness()
    snippets: tuple[Snippet, ...]

    @property
    def is_wide(self) -> bool:
        """Whether keys belong to the whole organization: to no environment, and no cluster."""
        return self.shape is Shape.ORGANIZATION

    @property
    def is_regional(self) -> bool:
        """Whether people choose a cloud provider and a region, and the same id is a different resource elsewhere."""
        return self.shape is Shape.REGION

    @property
    def choose(self) -> str:
        """What the form says while no resource is chosen."""
        return f"Choose a {self.short or self.noun}."

    @property
    def gone(self) -> str:
        """What the form says if Confluent doesn't have the chosen resource."""
        if self.is_wide:
            return "Confluent no longer offers this."
        if self.is_regional:
            return f"Confluent doesn't offer {self.label} in this region anymore. Choose another one."
        return f"The {self.short or self.noun} you chose no longer exists in this environment. Choose another one."


_ENVIRONMENTS = "/org/v2/environments?page_size={size}"
_CLUSTER = Limits(counted_as="cluster")
_NOTHING_ELSE = "Nothing else to select."
_TERRAFORM = "Terraform (environment variables)"
_CLIENTS = (
    Snippet("java", "Kafka: Java (.properties)", "kafka-java"),
    Snippet("librdkafka", "Kafka: librdkafka, kcat", "kafka-librdkafka"),
    Snippet("python", "Kafka: Python (confluent-kafka)", "kafka-python"),
)


class Kind(StrEnum):
    """What an API key opens."""

    _value_: str
    row: KindRow

    def __new__(cls, row: "KindRow | str") -> Self:
        """Create the member of a row. `Kind("kafka")` looks one up, and never gets here."""
        assert isinstance(row, KindRow)  # noqa: S101 -- for type checkers
        member = str.__new__(cls, row.value)
        member._value_ = row.value
        member.row = row
        return member

    KAFKA = KindRow(
        value="kafka",
        shape=Shape.CLUSTER,
        label="Kafka",
        noun="Kafka cluster",
        short="cluster",
        about="One cluster in an environment",
        hint="Gives clients access to one Kafka cluster.",
        plural="kafka_clusters",
        element="cloud-cluster",
        parts=("topic", "group", "transactional-id"),
        inner="kafka",
        grant=(
            "--role DeveloperRead --environment {environment} --cloud-cluster {id} --kafka-cluster {id} "
            "--resource Topic:PREFIX --prefix"
        ),
        prefix="lkc-",
        companion="schema-registry",
        bootstrap="Bootstrap server",
        endpoint="REST endpoint",
        probe="/kafka/v3/clusters/{id}/topics",
        api=Api(version="cmk/v2", service="KAFKA"),
        limits=Limits(counted_as="cluster", of_resource="kafka.max_api_keys.per_cluster"),
        readiness=Readiness(first=timedelta(seconds=20), is_twice=True),
        snippets=(
            *_CLIENTS,
            Snippet("cli", "Confluent CLI (api-key store)", "cli"),
            Snippet("curl", "Kafka REST (curl)", "curl"),
        ),
    )
    SCHEMA_REGISTRY = KindRow(
        value="schema-registry",
        shape=Shape.CLUSTER,
        label="Schema Registry",
        noun="Schema Registry",
        about="The schemas in an environment",
        hint="Gives clients access to one Schema Registry.",
        plural="schema_registries",
        element="schema-registry",
        parts=("subject",),
        grant=(
            "--role DeveloperRead --environment {environment} --schema-registry-cluster {id} "
            "--resource Subject:PREFIX --prefix"
        ),
        prefix="lsrc-",
        probe="/subjects",
        is_only_one=True,
        api=Api(version="srcm/v3", kind="SchemaRegistry", service="SCHEMA_REGISTRY"),
        limits=_CLUSTER,
        snippets=(
            Snippet("java", "Schema Registry: Java (.properties)", "registry-java"),
            Snippet("python", "Schema Registry: Python (confluent-kafka)", "registry-python"),
            Snippet("curl", "Schema Registry (curl)", "curl"),
        ),
    )
    KSQLDB = KindRow(
        value="ksqldb",
        shape=Shape.KSQL,
        label="ksqlDB",
        noun="ksqlDB cluster",
        about="One ksqlDB application in an environment",
        hint="Gives applications access to one ksqlDB cluster.",
        plural="ksql_clusters",
        element="ksql",
        prefix="lksqlc-",
        probe="/info",
        api=Api(version="ksqldbcm/v2", kind="ksqlDB"),
        limits=_CLUSTER,
        readiness=Readiness(
            trouble="50321",
            trouble_means="the ksqlDB cluster's own access to Kafka is broken; the key is fine",
            usual="five minutes",
        ),
        snippets=(Snippet("curl", "ksqlDB (curl)", "curl"), Snippet("ksql", "ksqlDB CLI", "ksql")),
    )
    FLINK = KindRow(
        value="flink",
        shape=Shape.REGION,
        label="Flink",
        noun="Flink region",
        short="region",
        about="Statements and compute pools in one region",
        hint="Runs statements in the compute pools of one environment, in one region.",
        plural="flink_regions",
        element="flink-region",
        parts=("environment",),
        grant="--role FlinkDeveloper --environment {environment}",
        probe="/sql/v1/organizations/{organization}/environments/{environment}/statements?page_size={size}",
        api=Api(version="fcpm/v2", kind="Region", is_sent=True, service="FLINK", lists_miss_keys=True),
        limits=_CLUSTER,
        readiness=Readiness(not_yet=frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})),
        snippets=(
            Snippet("curl", "Flink statements (curl)", "curl"),
            Snippet("env", "Flink Table API (environment variables)", "flink-table-api"),
        ),
    )
    CLOUD = KindRow(
        value="cloud",
        shape=Shape.ORGANIZATION,
        label="Cloud resource management",
        noun="Cloud resource management",
        about="The APIs that manage your organization",
        hint=f"For managing Confluent Cloud resources through its APIs. {_NOTHING_ELSE}",
        purpose="the resource management APIs of the organization",
        reach="managing your whole Confluent Cloud organization, as far as the account's roles allow",
        probe=_ENVIRONMENTS,
        opens_organization=True,
        api=Api(kind="Cloud", lists_miss_keys=True),
        limits=Limits(counted_as="cloud", of_organization="iam.max_cloud_api_keys.per_org"),
        snippets=(
            Snippet("curl", "Confluent Cloud API (curl)", "curl"),
            Snippet("terraform", _TERRAFORM, "terraform-cloud"),
        ),
    )
    TABLEFLOW = KindRow(
        value="tableflow",
        shape=Shape.ORGANIZATION,
        label="Tableflow",
        noun="Tableflow",
        about="Tables created from topics, across your organization",
        hint=f"Reads the tables Tableflow creates from your topics. {_NOTHING_ELSE}",
        purpose="Tableflow",
        reach="Tableflow in the whole organization",
        probe="/tableflow/v1/regions?page_size={size}",
        api=Api(version="tableflow/v1", kind="Tableflow", is_sent=True),
        limits=_CLUSTER,
        snippets=(
            Snippet("curl", "Tableflow API (curl)", "curl"),
            Snippet("terraform", _TERRAFORM, "terraform-tableflow"),
        ),
    )
    GLOBAL = KindRow(
        value="global",
        shape=Shape.ORGANIZATION,
        label="Global",
        noun="Global",
        short="Global access",
        about="One key for many resources, except Basic and Standard clusters",
        hint="Works with everything the account can use, except Basic and Standard clusters. It has its own quota.",
        purpose="the resource management APIs, Kafka, Schema Registry, ksqlDB, Flink and Tableflow",
        reach="all Confluent Cloud APIs and almost every resource that the account can use",
        probe=_ENVIRONMENTS,
        opens_organization=True,
        api=Api(version="global/v1", kind="Global", is_sent=True),
        readiness=Readiness(
            asked="the Confluent API",
            unasked="Kafka, Schema Registry, ksqlDB and Flink may take a few more minutes.",
        ),
        snippets=(
            Snippet("curl", "Confluent Cloud API (curl)", "curl"),
            Snippet("terraform", _TERRAFORM, "terraform-cloud"),
            *_CLIENTS,
        ),
    )

    @classmethod
    def called(cls, word: str) -> "Kind | None":
        """The kind with this word; None for any other word."""
        return next((kind for kind in cls if kind.value == word), None)

    @classmethod
    def of_id(cls, id_: str) -> "Kind | None":
        """The kind of the resource with this ID, by how the ID begins; None if it doesn't say."""
        return next((kind for kind in cls if kind.row.prefix and id_.startswith(kind.row.prefix)), None)


PLACED = tuple(kind for kind in Kind if not kind.row.is_wide)
"""The kinds whose resources are in environments."""
