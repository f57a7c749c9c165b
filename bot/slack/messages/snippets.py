"""Client configurations to be copied, right for each kind of key; none holds a secret, and each says how it comes in.

They hold ids and addresses alone, in letters that mean nothing to a shell, to Python or to a properties file: what
people call things stays out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from bot.domain.catalog import Endpoints
from bot.domain.errors import NotFound
from bot.domain.keys import FlinkRegion, RequestId, Resource
from bot.domain.kinds import Kind
from bot.slack.blocks.kit import Block, Code, Row, lines, option, plain_text, preformatted
from bot.slack.payloads import ids

_WORD = 300
"""Characters of one id or address; Confluent's ids have at most 255."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._:/%@+~,\[\]-]")
_REF = re.compile(rf"{ids.SNIPPET_BLOCK}:(?P<request>[^/]+)/(?P<attempt>[0-9]{{1,6}})")


@dataclass(frozen=True, slots=True)
class _Place:
    """Everything that a configuration names, safe to stand in one; what is not known is a word to be replaced."""

    key: str
    id: str
    environment: str
    organization: str
    bootstrap: str
    rest: str
    cloud: str = ""
    region: str = ""


def names(kind: Kind) -> list[tuple[str, str]]:
    """The configurations that there are for a kind of key: what Slack sends back, and what people choose."""
    return [(value, label) for value, (label, _) in _OF[kind].items()]


def snippet(value: str, key_id: str, resource: Resource, endpoints: Endpoints) -> str:
    """One configuration, at most 3,000 characters. Raises `NotFound` for a `value` that this kind of key has not."""
    found = _OF[resource.kind].get(value)
    if found is None:
        raise NotFound("There is no such client configuration for this kind of key. Nothing was changed. Choose again.")
    place = _place(key_id, resource, endpoints)
    text = found[1](place)
    missing = [word for word in _TO_REPLACE if word in text]
    return "\n".join([*(f"# Put {_TO_REPLACE[word]} in place of {word}." for word in missing), text])


def check(key_id: str, resource: Resource, endpoints: Endpoints) -> str:
    """A command that tells whether a key works: curl asks for the secret, and shows an answer of Confluent's."""
    place = _place(key_id, resource, endpoints)
    return _curl(place, _CHECKS[resource.kind])


def select(kind: Kind, block_id: str, action: str = ids.SNIPPET) -> Block:
    """The field to choose a configuration from, for a message or a modal. `block_id` says later which key it is of."""
    chooser: Block = {
        "type": "static_select",
        "action_id": action,
        "placeholder": plain_text("Client configuration…"),
        "options": [option(label, value) for value, label in names(kind)],
    }
    return {"type": "actions", "block_id": block_id, "elements": [chooser]}


def drawn(value: str, key_id: str, resource: Resource, endpoints: Endpoints) -> list[Block]:
    """A configuration as blocks, for a message or a modal. Raises `NotFound` as `snippet` does."""
    text = snippet(value, key_id, resource, endpoints)
    said: Row = [f"{_OF[resource.kind][value][0]}, for key ", Code(key_id), ". The secret is not in it."]
    return [lines(said), preformatted(text)]


def block_id(request: str, attempt: int) -> str:
    """Which key a `select` in a message belongs to."""
    return f"{ids.SNIPPET_BLOCK}:{ids.key_ref(request, attempt)}"


def chosen(body: Mapping[str, Any]) -> tuple[str, RequestId, int]:
    """What was chosen, and for the key of which attempt; "" and attempt 0, which is none, for anything unreadable."""
    action: Mapping[str, Any] = body["actions"][0]
    picked: Mapping[str, Any] | None = action.get("selected_option")
    found = _REF.fullmatch(str(action.get("block_id") or ""))
    value = str(picked["value"]) if picked else ""
    return (value, RequestId(found["request"]), int(found["attempt"])) if found else (value, RequestId(""), 0)


def _place(key_id: str, resource: Resource, endpoints: Endpoints) -> _Place:
    cloud, _, region = resource.id.partition(".") if isinstance(resource, FlinkRegion) else ("", "", "")
    return _Place(
        key=_safe(key_id),
        id=_safe(resource.id),
        environment=_safe(resource.environment),
        organization=_safe(endpoints.organization) or "ORGANIZATION_ID",
        bootstrap=_safe(endpoints.bootstrap) or "BOOTSTRAP_SERVER",
        rest=_safe(endpoints.rest).rstrip("/") or "ENDPOINT",
        cloud=_safe(cloud),
        region=_safe(region),
    )


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text[:_WORD])


_TO_REPLACE = {
    "BOOTSTRAP_SERVER": "your cluster's bootstrap server",
    "ENDPOINT": "the address that Confluent names for it",
    "ORGANIZATION_ID": "your organisation's id",
    "COMPUTE_POOL": "the id of your compute pool (lfcp-…)",
}
"""Words that stand where we know nothing, and what belongs there."""


def _text(text: str) -> str:
    return dedent(text).strip()


def _java(of: _Place) -> str:
    return _text(f"""
        # Put the API secret in place of API_SECRET, and keep this file out of your repository.
        bootstrap.servers={of.bootstrap}
        security.protocol=SASL_SSL
        sasl.mechanism=PLAIN
        sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
          username="{of.key}" password="API_SECRET";
        client.dns.lookup=use_all_dns_ips
    """)


def _librdkafka(of: _Place) -> str:
    return _text(f"""
        # Put the API secret in place of API_SECRET, and keep this file out of your repository.
        bootstrap.servers={of.bootstrap}
        security.protocol=SASL_SSL
        sasl.mechanisms=PLAIN
        sasl.username={of.key}
        sasl.password=API_SECRET
    """)


def _python(of: _Place) -> str:
    return _text(f"""
        # The secret comes from the environment variable CONFLUENT_API_SECRET.
        import os

        from confluent_kafka import Producer

        producer = Producer({{
            "bootstrap.servers": "{of.bootstrap}",
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "PLAIN",
            "sasl.username": "{of.key}",
            "sasl.password": os.environ["CONFLUENT_API_SECRET"],
        }})
    """)


def _store(of: _Place) -> str:
    return _text(f"""
        # Asks for the secret and shows nothing of it. Then: confluent api-key use {of.key}
        read -rs CONFLUENT_API_SECRET && confluent api-key store "{of.key}" "$CONFLUENT_API_SECRET" \\
          --resource "{of.id}" --environment "{of.environment}"
    """)


def _registry(of: _Place) -> str:
    return _text(f"""
        # Put the API secret in place of API_SECRET, and keep this file out of your repository.
        schema.registry.url={of.rest}
        basic.auth.credentials.source=USER_INFO
        basic.auth.user.info={of.key}:API_SECRET
    """)


def _registry_python(of: _Place) -> str:
    return _text(f"""
        # The secret comes from the environment variable SCHEMA_REGISTRY_API_SECRET.
        import os

        from confluent_kafka.schema_registry import SchemaRegistryClient

        registry = SchemaRegistryClient({{
            "url": "{of.rest}",
            "basic.auth.user.info": "{of.key}:" + os.environ["SCHEMA_REGISTRY_API_SECRET"],
        }})
    """)


def _ksql(of: _Place) -> str:
    return _text(f"""
        # Asks for the secret and shows nothing of it.
        read -rs KSQL_API_SECRET && ksql --user "{of.key}" --password "$KSQL_API_SECRET" "{of.rest}"
    """)


def _flink(of: _Place) -> str:
    return _text(f"""
        # What programs with Confluent's Flink Table API plugin read. The last line asks for the secret.
        export CLOUD_PROVIDER="{of.cloud}" CLOUD_REGION="{of.region}"
        export ORG_ID="{of.organization}" ENV_ID="{of.environment}" COMPUTE_POOL_ID="COMPUTE_POOL"
        export FLINK_API_KEY="{of.key}"
        read -rs FLINK_API_SECRET && export FLINK_API_SECRET
    """)


def _terraform(prefix: str) -> Callable[[_Place], str]:
    """Confluent's Terraform provider reads its credentials from variables that begin with `prefix`."""

    def written(of: _Place) -> str:
        return _text(f"""
            # With these, the block  provider "confluent" {{}}  needs no credentials. The last line asks for the secret.
            export {prefix}_API_KEY="{of.key}"
            read -rs {prefix}_API_SECRET && export {prefix}_API_SECRET
        """)

    return written


def _asking(kind: Kind) -> Callable[[_Place], str]:
    return lambda of: f"# curl asks for the secret, as the password.\n{_curl(of, _CHECKS[kind])}"


def _curl(of: _Place, path: str) -> str:
    return f'curl --user "{of.key}" "{of.rest}{path.format(of=of)}"'


_CHECKS = {
    Kind.KAFKA: "/kafka/v3/clusters/{of.id}/topics",
    Kind.SCHEMA_REGISTRY: "/subjects",
    Kind.KSQLDB: "/info",
    Kind.FLINK: "/sql/v1/organizations/{of.organization}/environments/{of.environment}/statements?page_size=10",
    Kind.CLOUD: "/org/v2/environments?page_size=10",
    Kind.TABLEFLOW: "/tableflow/v1/regions?page_size=10",
    Kind.GLOBAL: "/org/v2/environments?page_size=10",
}
"""What each kind of key can read without any further permission, below its address."""

_CLIENTS = {
    "java": ("Kafka: Java (.properties)", _java),
    "librdkafka": ("Kafka: librdkafka, kcat", _librdkafka),
    "python": ("Kafka: Python (confluent-kafka)", _python),
}
_OF: dict[Kind, dict[str, tuple[str, Callable[[_Place], str]]]] = {
    Kind.KAFKA: {
        **_CLIENTS,
        "cli": ("Confluent CLI (api-key store)", _store),
        "curl": ("Kafka REST (curl)", _asking(Kind.KAFKA)),
    },
    Kind.SCHEMA_REGISTRY: {
        "java": ("Schema Registry: Java (.properties)", _registry),
        "python": ("Schema Registry: Python (confluent-kafka)", _registry_python),
        "curl": ("Schema Registry (curl)", _asking(Kind.SCHEMA_REGISTRY)),
    },
    Kind.KSQLDB: {"curl": ("ksqlDB (curl)", _asking(Kind.KSQLDB)), "ksql": ("ksqlDB CLI", _ksql)},
    Kind.FLINK: {
        "curl": ("Flink statements (curl)", _asking(Kind.FLINK)),
        "env": ("Flink Table API (environment variables)", _flink),
    },
    Kind.CLOUD: {
        "curl": ("Confluent Cloud API (curl)", _asking(Kind.CLOUD)),
        "terraform": ("Terraform (environment variables)", _terraform("CONFLUENT_CLOUD")),
    },
    Kind.TABLEFLOW: {
        "curl": ("Tableflow API (curl)", _asking(Kind.TABLEFLOW)),
        "terraform": ("Terraform (environment variables)", _terraform("TABLEFLOW")),
    },
    Kind.GLOBAL: {
        "curl": ("Confluent Cloud API (curl)", _asking(Kind.GLOBAL)),
        "terraform": ("Terraform (environment variables)", _terraform("CONFLUENT_CLOUD")),
        **_CLIENTS,
    },
}
