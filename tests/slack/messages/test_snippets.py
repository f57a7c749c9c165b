"""Client configurations: right for their kind, safe to paste, and without the secret."""

import ast
import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Endpoints
from bot.domain.errors import LatchkeyError, NotFound, Refused, Unavailable
from bot.domain.keys import Cluster, Person, RequestId, Resource, Secret, SlackUserId, TeamId, unnamed
from bot.domain.kinds import Kind
from bot.domain.requests import Request, Shown
from bot.services.commands import ReplyTo
from bot.services.ports.store import Stored
from bot.slack.blocks.kit import modal
from bot.slack.blocks.text import Block
from bot.slack.messages import snippets
from bot.slack.payloads import ids
from bot.slack.payloads import read as payloads
from handlers import secrets
from sandbox.slack.limits import block_problems, check_view
from tests.support import build
from tests.support import given as some
from tests.support.build import CLUSTER, DANA, ERIN, FLINK, KSQL

KEY = "KEY0000000000001"
RESOURCES: dict[Kind, Resource] = {
    **{kind: unnamed(kind, "id-1", "env-dev001", "dev") for kind in Kind},
    Kind.KAFKA: CLUSTER,
    Kind.SCHEMA_REGISTRY: Cluster(Kind.SCHEMA_REGISTRY, "lsrc-dev001", "Stream Governance", "env-dev001", "dev"),
    Kind.KSQLDB: KSQL,
    Kind.FLINK: FLINK,
}
ENDPOINTS = Endpoints("pkc-1.example:9092", "https://rest.example:443/", organization="o-1")
EVERY = [(kind, each.value) for kind in Kind for each in kind.row.snippets]
SHELL = [(kind, value) for kind, value in EVERY if value in {"curl", "cli", "ksql", "env", "terraform"}]
PROPERTIES = [(kind, value) for kind, value in EVERY if value in {"java", "librdkafka"}]
PYTHON = [(kind, value) for kind, value in EVERY if value == "python"]


def written(kind: Kind, value: str, endpoints: Endpoints = ENDPOINTS) -> str:
    return snippets.snippet(value, KEY, RESOURCES[kind], endpoints)


def code(text: str) -> list[str]:
    """The lines that are no comments, joined where a backslash says that they go on."""
    return [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in code(text))


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_something_to_choose(kind: Kind) -> None:
    values, labels = zip(*((each.value, each.label) for each in kind.row.snippets), strict=True)

    assert len(values) >= 2
    assert len(set(values)) == len(values)
    assert len(set(labels)) == len(labels)


def test_what_people_expect_is_there() -> None:
    assert {kind: [each.value for each in kind.row.snippets] for kind in Kind} == {
        Kind.KAFKA: ["java", "librdkafka", "python", "cli", "curl"],
        Kind.SCHEMA_REGISTRY: ["java", "python", "curl"],
        Kind.KSQLDB: ["curl", "ksql"],
        Kind.FLINK: ["curl", "env"],
        Kind.CLOUD: ["curl", "terraform"],
        Kind.TABLEFLOW: ["curl", "terraform"],
        Kind.GLOBAL: ["curl", "terraform", "java", "librdkafka", "python"],
    }


@pytest.mark.parametrize(("kind", "value"), EVERY)
def test_each_names_the_key_and_says_how_the_secret_comes_in(kind: Kind, value: str) -> None:
    text = written(kind, value)

    assert KEY in text
    assert text.startswith("# ")
    assert "secret" in text.splitlines()[0] or "secret" in text.splitlines()[1]


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (Kind.KAFKA, "https://rest.example:443/kafka/v3/clusters/lkc-dev001/topics"),
        (Kind.SCHEMA_REGISTRY, "https://rest.example:443/subjects"),
        (Kind.KSQLDB, "https://rest.example:443/info"),
        (
            Kind.FLINK,
            "https://rest.example:443/sql/v1/organizations/o-1/environments/env-dev001/statements?page_size=10",
        ),
        (Kind.CLOUD, "https://rest.example:443/org/v2/environments?page_size=10"),
        (Kind.TABLEFLOW, "https://rest.example:443/tableflow/v1/regions?page_size=10"),
        (Kind.GLOBAL, "https://rest.example:443/org/v2/environments?page_size=10"),
    ],
)
def test_curl_asks_for_the_secret_and_for_something_that_the_key_may_read(kind: Kind, url: str) -> None:
    (command,) = code(written(kind, "curl"))

    assert shlex.split(command) == ["curl", "--user", KEY, url]
    assert snippets.check(KEY, RESOURCES[kind], ENDPOINTS) == command


def test_java_clients_of_kafka_read_their_properties() -> None:
    read = properties(written(Kind.KAFKA, "java"))

    assert read["bootstrap.servers"] == "pkc-1.example:9092"
    assert (read["security.protocol"], read["sasl.mechanism"]) == ("SASL_SSL", "PLAIN")
    assert read["sasl.jaas.config"].split() == [
        "org.apache.kafka.common.security.plain.PlainLoginModule",
        "required",
        f'username="{KEY}"',
        'password="API_SECRET";',
    ]


def test_librdkafka_and_python_say_the_same() -> None:
    read = properties(written(Kind.KAFKA, "librdkafka"))
    tree = ast.parse(written(Kind.KAFKA, "python"))
    (said,) = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    names = [ast.literal_eval(name) for name in said.keys if name]

    assert names == list(read)
    assert [ast.literal_eval(value) for value in said.values[:-1]] == list(read.values())[:-1]
    assert ast.unparse(said.values[-1]) == "os.environ['CONFLUENT_API_SECRET']"
    assert read["sasl.username"] == KEY


def test_clients_of_schema_registry_send_the_key_as_user_info() -> None:
    read = properties(written(Kind.SCHEMA_REGISTRY, "java"))

    assert read == {
        "schema.registry.url": "https://rest.example:443",
        "basic.auth.credentials.source": "USER_INFO",
        "basic.auth.user.info": f"{KEY}:API_SECRET",
    }


def run(text: str, secret: str, *show: str) -> list[str]:
    """What a shell makes of it, with this secret typed in: the arguments of programs, or variables."""
    stubs = "".join(f"{name}() {{ printf '%s\\n' {name} \"$@\"; }}\n" for name in ("confluent", "ksql", "curl"))
    script = f"{stubs}{text}\n" + "".join(f'printf "%s\\n" "${name}"\n' for name in show)
    done = subprocess.run(["bash", "-euc", script], input=f"{secret}\n", capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_cli_stores_the_key_of_its_cluster() -> None:
    text = written(Kind.KAFKA, "cli")

    assert run(text, r"a\b c$") == [
        "confluent", "api-key", "store", KEY, r"a\b c$", "--resource", "lkc-dev001", "--environment", "env-dev001",
    ]  # fmt: skip


def test_the_ksqldb_cli_is_given_key_secret_and_address() -> None:
    assert run(written(Kind.KSQLDB, "ksql"), "typed") == [
        "ksql", "--user", KEY, "--password", "typed", "https://rest.example:443",
    ]  # fmt: skip


def test_flink_programs_find_their_place_in_the_environment() -> None:
    names = ("CLOUD_PROVIDER", "CLOUD_REGION", "ORG_ID", "ENV_ID", "FLINK_API_KEY", "FLINK_API_SECRET")

    assert run(written(Kind.FLINK, "env"), "typed", *names) == ["aws", "us-east-1", "o-1", "env-dev001", KEY, "typed"]


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(Kind.CLOUD, "CONFLUENT_CLOUD"), (Kind.GLOBAL, "CONFLUENT_CLOUD"), (Kind.TABLEFLOW, "TABLEFLOW")],
)
def test_terraform_finds_its_credentials_in_the_environment(kind: Kind, prefix: str) -> None:
    assert run(written(kind, "terraform"), "typed", f"{prefix}_API_KEY", f"{prefix}_API_SECRET") == [KEY, "typed"]


@pytest.mark.parametrize(("kind", "value"), EVERY)
def test_what_confluent_did_not_name_is_a_word_to_replace_and_said_first(kind: Kind, value: str) -> None:
    text = written(kind, value, Endpoints("", ""))
    words = {"BOOTSTRAP_SERVER", "ENDPOINT", "ORGANIZATION_ID", "COMPUTE_POOL"}
    said = {word for word in words if f"# Replace {word} with " in text}
    used = {word for word in words if any(word in line for line in code(text))}

    assert used == said


def test_an_unknown_choice_is_refused_in_words() -> None:
    with pytest.raises(NotFound, match="no such client configuration"):
        written(Kind.CLOUD, "java")


def shape(text: str) -> list[str]:
    """What a Python program is made of."""
    return [type(node).__name__ for node in ast.walk(ast.parse(text))]


HOSTILE = st.one_of(
    some.texts, st.sampled_from(['"; rm -rf ~ #', "$(id)", "`id`", "a\nb=c", "' or 1", "\\", "x" * 5000, "{of.key}"])
)
hostile_endpoints = st.builds(Endpoints, bootstrap=HOSTILE, rest=HOSTILE, organization=HOSTILE)


@settings(max_examples=60)
@given(st.data(), HOSTILE, hostile_endpoints)
def test_nothing_that_is_named_can_break_out(data: st.DataObject, key: str, endpoints: Endpoints) -> None:
    kind, value = data.draw(st.sampled_from(EVERY))
    named = data.draw(some.RESOURCES[kind])
    hostile = some.everywhere(named, data.draw(HOSTILE)) if kind in {Kind.KAFKA, Kind.FLINK} else named
    text = snippets.snippet(value, key, hostile, endpoints)

    assert len(text) <= 3000
    assert len(code(text)) == len(code(written(kind, value)))
    assert set(text) <= {"\n", *map(chr, range(32, 127)), *"…’"}
    if (kind, value) in PYTHON:
        assert shape(text) == shape(written(kind, value))
    if (kind, value) in PROPERTIES:
        assert list(properties(text)) == list(properties(written(kind, value)))
    if (kind, value) in SHELL:
        assert [len(shlex.split(line)) for line in code(text)] == [
            len(shlex.split(line)) for line in code(written(kind, value))
        ]
        assert not set("`\\") & set("".join(code(text)))


@settings(max_examples=40)
@given(some.resources, some.ids, hostile_endpoints)
def test_slack_takes_each_in_a_message_and_in_a_modal(resource: Resource, key: str, endpoints: Endpoints) -> None:
    for value in [each.value for each in resource.kind.row.snippets]:
        blocks = [
            *snippets.drawn(value, key, resource, endpoints),
            snippets.select(resource.kind, snippets.block_id("r" * 64, 999_999), "key:snippet"),
        ]
        assert block_problems(blocks, "message") == []
        check_view(modal("Client configuration", blocks, callback="page"), "modal")


# --- choosing one under the secret ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Context:
    """What the listener needs: the requests, who people are, Confluent, and what was said in Slack."""

    request: Request | None = None
    person: Person = DANA
    endpoints: Endpoints | LatchkeyError | None = ENDPOINTS
    said: list[tuple[SlackUserId, str, list[Block]]] = field(default_factory=list[Any])

    @property
    def requests(self) -> "Context":
        return self

    directory = replies = cloud = requests

    async def get(self, request: RequestId) -> Stored[Request] | None:
        return Stored(self.request, 1) if self.request and self.request.ask.id == request else None

    async def identify(self, user: SlackUserId, team: TeamId) -> Person:
        return self.person

    async def resource(self, kind: Kind, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
        assert (kind, environment, id_) == (Kind.KAFKA, "env-dev001", "lkc-dev001")
        if isinstance(self.endpoints, LatchkeyError):
            raise self.endpoints
        return (build.CLUSTER, self.endpoints) if self.endpoints else None

    async def send(self, to: SlackUserId, reply: ReplyTo, text: str, blocks: list[Block]) -> None:
        assert reply.response_url == Secret("https://hooks.slack.example/1")
        self.said.append((to, text, blocks))

    async def choose(self, body: Mapping[str, Any]) -> str:
        """What the person reads after this choice."""
        await secrets._configure(cast("Any", self), payloads.opening(body), *snippets.chosen(body))
        return "\n".join(each["text"] for _, _, blocks in self.said for each in _leaves(blocks))


def _leaves(blocks: list[Block]) -> list[Block]:
    return [leaf for block in blocks for part in block["elements"] for leaf in part["elements"]]


def picked(value: str | None = "java", block_id: str = "snippet:R1/1") -> dict[str, Any]:
    option = {"text": {"type": "plain_text", "text": "?"}, "value": value} if value else None
    action = {"type": "static_select", "action_id": ids.SNIPPET, "block_id": block_id, "selected_option": option}
    return {
        "type": "block_actions",
        "user": {"id": DANA.slack, "team_id": DANA.team},
        "team": {"id": DANA.team},
        "trigger_id": "1.2",
        "channel": {"id": "D01"},
        "container": {"type": "message", "is_ephemeral": True, "channel_id": "D01", "message_ts": "1.0"},
        "response_url": "https://hooks.slack.example/1",
        "actions": [action],
    }


def shown() -> Shown:
    state = build.states()["shown"]
    assert isinstance(state, Shown)
    return state


async def test_the_requester_gets_what_they_chose() -> None:
    context = Context(shown())

    read = await context.choose(picked("java"))

    assert f'username="{shown().key.id}"' in read
    assert "pkc-1.example:9092" in read
    assert "It doesn't include the secret." in read
    assert [to for to, _, _ in context.said] == [DANA.slack]


@pytest.mark.parametrize("kind", ["ready", "revealing", "shown", "confirmed"])
async def test_a_key_that_lives_has_configurations(kind: str) -> None:
    state = build.states()[kind]

    assert "KEY0000000000001" in await Context(state).choose(picked())


@pytest.mark.parametrize("kind", sorted(build.states().keys() - {"ready", "revealing", "shown", "confirmed"}))
async def test_without_a_key_there_is_none(kind: str) -> None:
    with pytest.raises(NotFound):
        await Context(build.states()[kind]).choose(picked())


@pytest.mark.parametrize(
    "block_id", ["snippet:R1/2", "snippet:R2/1", "snippet:R1", "R1/1", "snippet:R1/x", "snippet:/1", ""]
)
async def test_another_keys_choice_gets_nothing(block_id: str) -> None:
    with pytest.raises(NotFound):
        await Context(shown()).choose(picked(block_id=block_id))


@pytest.mark.parametrize("person", [ERIN, build.a_person(principal=ERIN.principal)])
async def test_nobody_else_learns_which_key_it_is(person: Person) -> None:
    context = Context(shown(), person)

    with pytest.raises(Refused, match="Only the person who requested this key"):
        await context.choose(picked())
    assert context.said == []


@pytest.mark.parametrize("endpoints", [None, Unavailable("Confluent Cloud didn't answer.")])
async def test_without_confluent_the_addresses_are_left_to_fill_in(endpoints: LatchkeyError | None) -> None:
    assert "bootstrap.servers=BOOTSTRAP_SERVER" in await Context(shown(), endpoints=endpoints).choose(picked())


async def test_a_choice_that_was_taken_back_says_nothing() -> None:
    context = Context(shown())

    assert await context.choose(picked(None)) == ""
    assert context.said == []


async def test_a_choice_of_an_older_latchkey_is_refused_in_words() -> None:
    with pytest.raises(NotFound, match="Choose again"):
        await Context(shown()).choose(picked("gone"))


def test_a_select_leads_back_to_its_key() -> None:
    block = snippets.select(Kind.KAFKA, snippets.block_id("R1", 7))
    (chooser,) = block["elements"]
    body = {"actions": [{"block_id": block["block_id"], "selected_option": chooser["options"][0]}]}

    assert snippets.chosen(body) == ("java", "R1", 7)
    assert json.dumps(block).isprintable()
