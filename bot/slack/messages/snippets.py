"""Client configurations to copy, for each kind of key. None contains a secret, and each says where to get it from.

They contain only IDs and addresses, in characters without a meaning in a shell, Python or a properties file. Names that
people chose are left out.
"""

import re
from textwrap import dedent
from typing import TypeAlias

from bot.domain.catalog import Endpoints
from bot.domain.errors import NotFound
from bot.domain.keys import ApiKey, MyAccount, Owner, RequestId, Resource
from bot.domain.kinds import Kind, Snippet
from bot.slack.blocks.kit import actions, menu, option
from bot.slack.blocks.text import Block, Code, Row, flat, lines, preformatted
from bot.slack.payloads import ids, read_keys
from bot.slack.payloads.read import Body

FILE = "file"
"""The option for a text file."""
_SHOWN = 10
"""How many items the answer to a test command has at most."""
_WORD = 300
"""How many characters of an ID or address are used; Confluent's IDs have at most 255."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._:/%@+~,\[\]-]")
_BOTH = "both-"
_OF_BOTH = {
    "java": "Kafka and Schema Registry: Java (.properties)",
    "python": "Kafka and Schema Registry: Python (confluent-kafka)",
}
"""Configurations with the same name for both kinds of a pair."""
_BARE = re.compile(r"(?<![A-Z_])API_SECRET")
Opened: TypeAlias = tuple[str, Resource, Endpoints]
"""The ID of a key, its resource, and the resource's addresses."""
_REF = re.compile(rf"{ids.SNIPPET_BLOCK}:(?P<request>[^/]+)/(?P<attempt>[0-9]{{1,6}})")


def snippet(value: str, key_id: str, resource: Resource, endpoints: Endpoints) -> str:
    """One configuration, at most 3,000 characters.

    Raises `NotFound` for a `value` that this kind of key doesn't have.
    """
    text = _written(_TEMPLATES[_snippet(value, resource).template], key_id, resource, endpoints)
    missing = [word for word in _TO_REPLACE if word in text]
    return "\n".join([*(f"# Replace {word} with {_TO_REPLACE[word]}." for word in missing), text])


def check(key_id: str, resource: Resource, endpoints: Endpoints) -> str:
    """A command that tests whether a key works: curl asks for the secret and shows Confluent's answer."""
    return _written(_CURL, key_id, resource, endpoints)


def select(kind: Kind, block_id: str, action: str = ids.SNIPPET) -> Block:
    """The field to choose a configuration in a modal. `block_id` says later which key it belongs to."""
    return actions(chooser(kind, action), block=block_id)


def chooser(kind: Kind, action: str = ids.SNIPPET, *, with_file: bool = False, with_other: bool = False) -> Block:
    """The menu in that field; `with_file` also offers a text file like the one that Confluent's console offers.

    `with_other` is for a pair: it begins with the configurations that use both keys.
    """
    both = [option(label, f"{_BOTH}{value}") for value, label in _OF_BOTH.items()] if with_other else []
    options = [*both, *(option(each.label, each.value) for each in kind.row.snippets)]
    return menu(
        action, [*([option("Text file", FILE)] if with_file else []), *options], placeholder="Client configuration…"
    )


def file(key: ApiKey, owner: Owner, resource: Resource, endpoints: Endpoints) -> list[Block]:
    """A text file about a key as blocks, at most 3,000 characters. People must add the secret."""
    whose = "own account" if isinstance(owner, MyAccount) else flat(owner.name)
    rows = [
        ("API key", key.id),
        ("API secret", "API_SECRET"),
        ("Resource", flat(resource.id)),
        *((label, flat(value, _WORD)) for label, value in _places(resource, endpoints) if flat(value)),
        ("Owner", f"{flat(key.owner or owner.id)} ({whose})"),
    ]
    text = "\n\n".join(["=== Confluent Cloud API key ===", *(f"{label}:\n{value}" for label, value in rows)])
    said: Row = ["Text file for key ", Code(key.id), ". Replace ", Code("API_SECRET"), " with the API secret."]
    return [lines(said), preformatted(text)]


def _places(resource: Resource, endpoints: Endpoints) -> list[tuple[str, str]]:
    """The addresses of the key's resource, or what the key is for, by the names that Confluent's clients use."""
    row = resource.kind.row
    cloud, _, region = resource.id.partition(".") if row.is_regional else ("", "", "")
    return [
        ("For", row.purpose),
        (row.bootstrap, endpoints.bootstrap if row.bootstrap else ""),
        (row.endpoint or ("API" if row.is_wide else f"{row.label} endpoint"), endpoints.rest),
        ("Cloud", cloud),
        ("Region", region),
        ("Environment", resource.environment),
        ("Organization", endpoints.organization if row.is_wide or row.is_regional else ""),
    ]


def drawn(value: str, key_id: str, resource: Resource, endpoints: Endpoints) -> list[Block]:
    """A configuration as blocks, for a message or a modal. Raises `NotFound` as `snippet` does."""
    text = snippet(value, key_id, resource, endpoints)
    said: Row = [f"{_snippet(value, resource).label}, for key ", Code(key_id), ". It doesn't include the secret."]
    return [lines(said), preformatted(text)]


def is_of_both(value: str) -> bool:
    """Whether this choice is a configuration that uses both keys of a pair."""
    return value.removeprefix(_BOTH) in _OF_BOTH and value.startswith(_BOTH)


def drawn_both(value: str, first: Opened, second: Opened) -> list[Block]:
    """A configuration that uses both keys of a pair, as blocks."""
    kind = value.removeprefix(_BOTH)
    texts = [snippet(kind, *first), _BARE.sub("SCHEMA_REGISTRY_API_SECRET", snippet(kind, *second))]
    said: Row = [f"{_OF_BOTH[kind]}, for keys ", Code(first[0]), " and ", Code(second[0]), ". It has no secret in it."]
    return [lines(said), preformatted("\n\n".join(texts))]


def block_id(request: str, attempt: int) -> str:
    """The block ID that says which key a `select` in a message belongs to."""
    return f"{ids.SNIPPET_BLOCK}:{ids.key_ref(request, attempt)}"


def chosen(body: Body) -> tuple[str, RequestId, int]:
    """The choice, and the request and attempt of its key; "" and attempt 0, which doesn't exist, if unreadable."""
    value, found = read_keys.snippet(body), _REF.fullmatch(str(body["actions"][0].get("block_id") or ""))
    return (value, RequestId(found["request"]), int(found["attempt"])) if found else (value, RequestId(""), 0)


def _written(template: str, key_id: str, resource: Resource, endpoints: Endpoints) -> str:
    """A template filled in with safe values. An unknown value becomes a word that people replace."""
    row = resource.kind.row
    cloud, _, region = resource.id.partition(".") if row.is_regional else ("", "", "")
    names = {
        "key": _safe(key_id),
        "id": _safe(resource.id),
        "environment": _safe(resource.environment),
        "organization": _safe(endpoints.organization) or "ORGANIZATION_ID",
        "bootstrap": _safe(endpoints.bootstrap) or "BOOTSTRAP_SERVER",
        "rest": _safe(endpoints.rest).rstrip("/") or "ENDPOINT",
        "cloud": _safe(cloud),
        "region": _safe(region),
    }
    probe = row.probe.format(**names, size=_SHOWN)
    return dedent(template).strip().format(**names, probe=probe)


def _snippet(value: str, resource: Resource) -> Snippet:
    found = next((each for each in resource.kind.row.snippets if each.value == value), None)
    if found is None:
        raise NotFound("There's no such client configuration for this kind of key. Nothing changed. Choose again.")
    return found


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text[:_WORD])


_TO_REPLACE = {
    "BOOTSTRAP_SERVER": "your cluster's bootstrap server",
    "ENDPOINT": "the address that Confluent shows for it",
    "ORGANIZATION_ID": "your organization's ID",
    "COMPUTE_POOL": "the ID of your compute pool (lfcp-…)",
}
"""Placeholders for unknown values, and what belongs there."""


_CURL = 'curl --user "{key}" "{rest}{probe}"'
_TERRAFORM = """
    # With these, the block  provider "confluent" {{}}  needs no credentials. The last line prompts for the secret.
    export PREFIX_API_KEY="{key}"
    read -rs PREFIX_API_SECRET && export PREFIX_API_SECRET
"""
_TEMPLATES = {
    "curl": f"# curl prompts for the secret, as the password.\n{_CURL}",
    "kafka-java": """
        # Replace API_SECRET with the API secret, and keep this file out of your repository.
        bootstrap.servers={bootstrap}
        security.protocol=SASL_SSL
        sasl.mechanism=PLAIN
        sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
          username="{key}" password="API_SECRET";
        client.dns.lookup=use_all_dns_ips
    """,
    "kafka-librdkafka": """
        # Replace API_SECRET with the API secret, and keep this file out of your repository.
        bootstrap.servers={bootstrap}
        security.protocol=SASL_SSL
        sasl.mechanisms=PLAIN
        sasl.username={key}
        sasl.password=API_SECRET
    """,
    "kafka-python": """
        # The secret comes from the environment variable CONFLUENT_API_SECRET.
        import os

        from confluent_kafka import Producer

        producer = Producer({{
            "bootstrap.servers": "{bootstrap}",
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "PLAIN",
            "sasl.username": "{key}",
            "sasl.password": os.environ["CONFLUENT_API_SECRET"],
        }})
    """,
    "cli": """
        # Prompts for the secret without showing it. Then: confluent api-key use {key}
        read -rs CONFLUENT_API_SECRET && confluent api-key store "{key}" "$CONFLUENT_API_SECRET" \\
          --resource "{id}" --environment "{environment}"
    """,
    "registry-java": """
        # Replace API_SECRET with the API secret, and keep this file out of your repository.
        schema.registry.url={rest}
        basic.auth.credentials.source=USER_INFO
        basic.auth.user.info={key}:API_SECRET
    """,
    "registry-python": """
        # The secret comes from the environment variable SCHEMA_REGISTRY_API_SECRET.
        import os

        from confluent_kafka.schema_registry import SchemaRegistryClient

        registry = SchemaRegistryClient({{
            "url": "{rest}",
            "basic.auth.user.info": "{key}:" + os.environ["SCHEMA_REGISTRY_API_SECRET"],
        }})
    """,
    "ksql": """
        # Prompts for the secret without showing it.
        read -rs KSQL_API_SECRET && ksql --user "{key}" --password "$KSQL_API_SECRET" "{rest}"
    """,
    "flink-table-api": """
        # For programs that use Confluent's Flink Table API plugin. The last line prompts for the secret.
        export CLOUD_PROVIDER="{cloud}" CLOUD_REGION="{region}"
        export ORG_ID="{organization}" ENV_ID="{environment}" COMPUTE_POOL_ID="COMPUTE_POOL"
        export FLINK_API_KEY="{key}"
        read -rs FLINK_API_SECRET && export FLINK_API_SECRET
    """,
    "terraform-cloud": _TERRAFORM.replace("PREFIX", "CONFLUENT_CLOUD"),
    "terraform-tableflow": _TERRAFORM.replace("PREFIX", "TABLEFLOW"),
}
"""By the names that the rows of the kinds have for them."""
