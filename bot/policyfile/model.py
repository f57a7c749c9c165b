"""The model of the policy file. Descriptions appear in messages about a field and in editors."""

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from bot.domain.access import ROLES_ON, On
from bot.domain.kinds import Kind
from bot.domain.policy import MOST_APPROVALS, Leaked, Mint
from bot.domain.roles import ACCOUNT_ADMIN, TABLES
from bot.policyfile.words import (
    Channel,
    ClusterId,
    ConfluentUser,
    Day,
    Duration,
    EnvironmentWord,
    GlassBy,
    GlassLifetime,
    GlassNotify,
    Lifetime,
    Member,
    Name,
    Notify,
    OfferName,
    OneOrMany,
    OrOff,
    OrOffMany,
    Overlap,
    OwnerWord,
    PartyWord,
    Place,
    ScopeText,
    Sentence,
    SlackGroup,
    SlackUser,
    SomeoneWord,
    Switch,
    TableName,
    TeamName,
    TicketExample,
    TicketPattern,
    TicketUrl,
)

_PREFIXES = ", ".join(f"{kind.row.prefix}…" for kind in Kind if kind.row.prefix)
_CHANNEL = "The ID of a Slack channel, C… or G…, from the end of its link."


Risk: TypeAlias = Literal["high", "normal"]
Confirm: TypeAlias = Literal["resource", "none"]
BarredWord: TypeAlias = Literal["owner", "same group"]
"""Same as `bot.domain.conditions.Barred`."""
RuledOperation: TypeAlias = Literal["create", "edit", "rotate", "delete"]
"""Same as `bot.domain.policy.RULED`."""


Role: TypeAlias = Annotated[
    str, WithJsonSchema({"enum": sorted({role for each in TABLES.values() for role in each.roles})})
]
"""A role in one of the tables. `reading` reports a role that isn't in the table in use."""


def _no_switch(value: object) -> object:
    return "on" if value is True else value  # to Python, True equals 1


class Part(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MatchPart(Part):
    """What a rule applies to. What is left out matches everything."""

    operation: OneOrMany[RuledOperation] | None = Field(
        None, description="One or more of create, edit, rotate, delete; create also covers extending."
    )
    kind: OneOrMany[Kind] | None = Field(None, description=f"The kind of key, one or more of {', '.join(Kind)}.")
    environment: OneOrMany[EnvironmentWord] | None = Field(
        None,
        description="Environments: IDs (env-…), names, names with the wildcard *, such as prod-*, or team:NAME for "
        "those of a team. Names count in exactly this case.",
    )
    cluster: OneOrMany[ClusterId] | None = Field(
        None,
        description=f"IDs of clusters: {_PREFIXES}, or a Flink region such as aws.us-east-1; or team:NAME.",
    )
    owner: OneOrMany[OwnerWord] | None = Field(
        None, description="Whose key it is: me, service-account, new-service-account, IDs sa-…, or team:NAME."
    )
    by: OneOrMany[SomeoneWord] | None = Field(
        None,
        description="Who requests it: Slack people (U…), user groups (S…), and roles such as EnvironmentAdmin that "
        "the requester has there, or team:NAME for its members; one that fits is enough.",
    )


class Conditions(Part):
    """What a rule sets. What it leaves out comes from `defaults`."""

    approvals: Annotated[int, Field(strict=True, ge=0, le=MOST_APPROVALS)] | None = Field(
        None,
        description=f"How many other people must approve, 0 to {MOST_APPROVALS}; "
        "0 is for people who manage the key, and `else` says what everyone else needs.",
    )
    otherwise: Annotated[int, Field(strict=True, ge=1, le=MOST_APPROVALS)] | None = Field(
        None,
        alias="else",
        description=f"With `approvals: 0`, how many must approve for people who don't manage the key, "
        f"1 to {MOST_APPROVALS}; the number in `defaults`, and at least 1, unless set.",
    )
    unless_manager: Literal["forbid"] | None = Field(
        None, description="forbid, with `approvals: 0`: people who don't manage the key are refused."
    )
    notify: Notify | None = Field(
        None,
        description="A list of Slack user groups (S…) and people (U…), or team:NAME for its members, to notify, if "
        "they can approve; closest, unless set, for the people closest to the resource; none for no one.",
    )
    pending: Duration | None = Field(None, description="How long approvers have to respond; 24h unless set.")
    remind: Annotated[tuple[Duration, ...], Field(max_length=10)] | None = Field(
        None,
        description="A list of increasing times since the request, all before `pending` ends; [4h, 12h] unless set, "
        "[] for none.",
    )
    claim: Duration | None = Field(None, description="How long the requester has to view the secret; 24h unless set.")
    lifetime: Lifetime | None = Field(None, description="The longest lifetime of a key, or unlimited.")
    overlap: Overlap | None = Field(
        None, description="How long a rotated key can be kept along with the new one, 0d to 7d; 7d unless set."
    )
    mint: Mint | None = Field(
        None, description="on_approval, or on_claim: the key is created when the requester selects `Show secret`."
    )
    user_keys: Switch | None = Field(
        None, description="Whether people can have personal keys, for their own user account: on or off."
    )
    risk: Risk | None = Field(
        None,
        description="high: the card and the review page show a warning, and `Approve` requires confirmation; "
        "normal: they don't. Unless set, organization-wide keys are high.",
    )
    leaked: Leaked | None = Field(
        None,
        description="delete, in a rule that covers `delete`: Latchkey deletes a key as soon as someone reports it as "
        "leaked; ask, unless set: people decide.",
    )
    confirm: Confirm | None = Field(
        None, description="resource: approvers type the name of the resource before they approve; none, unless set."
    )


def key_of(field: str) -> str:
    """A field of `Conditions` as it's called in the file."""
    found = Conditions.model_fields.get(field)
    return (found and found.alias) or field


_OF_A_RULE = ("channel", "ticket", "break_glass", "approvers")
"""What a rule can set besides `Conditions`."""


class TicketPart(Part):
    """The ticket that requests name."""

    pattern: TicketPattern = Field(
        description="A regular expression that the whole ticket must match, such as '[A-Z]+-[0-9]+', up to 200 "
        "characters; without look-around and backreferences."
    )
    url: TicketUrl | None = Field(
        None, description="The address of a ticket, such as https://example.com/browse/{ticket}, up to 300 characters."
    )
    required: Switch = Field(default=False, description="Whether every request must name a ticket: true or false.")
    example: TicketExample | None = Field(
        None,
        description="A ticket that matches the pattern, such as OPS-123, up to 64 characters. Forms show it instead "
        "of the pattern.",
    )


class ApproversPart(Part):
    """Further conditions on who approves, besides a role that covers the key."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "dependentRequired": {"distinct": ["one_of"]}})

    one_of: Annotated[tuple[PartyWord, ...], Field(min_length=1, max_length=20)] | None = Field(
        None, description="A list of people (U…), user groups (S…) and team:NAME: approvers are in one of them."
    )
    barred: Annotated[tuple[BarredWord, ...], Field(min_length=1, max_length=2)] | None = Field(
        None,
        alias="not",
        description="A list of people who can't approve: owner, for owners of the service account, and same group, "
        "for people who share a user group that this file names with the requester.",
    )
    distinct: Switch = Field(
        default=False, description="Whether each approval must be for another entry of `one_of`: true or false."
    )


class BreakGlassPart(Part):
    """Keys without an approval, in an emergency."""

    by: GlassBy = Field(
        description="Who can use it: people (U…), user groups (S…), roles such as EnvironmentAdmin, and team:NAME."
    )
    lifetime: GlassLifetime = Field(description="How long such a key works, up to 24h. Nothing extends it.")
    notify: GlassNotify = Field(
        (),
        description="A list of Slack channels (C…), user groups (S…) and people (U…), or team:NAME for its members, to "
        "tell at once, besides everyone who could have approved.",
    )


class RulePart(Conditions):
    """One rule. The first one that matches decides."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["forbid"]},
            "then": {"properties": dict.fromkeys((*map(key_of, Conditions.model_fields), *_OF_A_RULE), False)},
        }
    )

    name: Name = Field(description="A unique name, up to 80 characters, shown with each decision.")
    match: MatchPart = Field(
        default_factory=lambda: MatchPart.model_validate({}),
        description="What the rule applies to: operation, kind, environment, cluster, owner and by.",
    )
    channel: Channel | None = Field(None, description=_CHANNEL)
    until: Day | None = Field(
        None, description="The last day on which it applies, in UTC, like 2026-12-31; unlimited if omitted."
    )
    ticket: TicketPart | None = Field(
        None,
        description="A field for a ticket in the form: pattern, example, url and required. Approvers see the ticket.",
    )
    break_glass: BreakGlassPart | None = Field(
        None,
        description="In a rule that covers `create`: people who can have a key without an approval, which someone "
        "reviews afterward: by, lifetime and notify.",
    )
    approvers: ApproversPart | None = Field(
        None, description="Further conditions on who approves, besides their roles: one_of, not and distinct."
    )
    forbid: Sentence | None = Field(
        None, description="A sentence, up to 300 characters: forbids what matches and tells the requester why."
    )


class MappingPart(Part):
    """A role that this file gives someone, in addition to role bindings in Confluent Cloud."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [each]} for each in ("user", "group", "team")]})

    user: SlackUser | None = Field(None, description="The ID of a Slack user, U….")
    group: SlackGroup | None = Field(None, description="The ID of a Slack user group, S….")
    team: TeamName | None = Field(None, description="The name of a team, for all of its members.")
    role: Role = Field(description="A role of the table, such as EnvironmentAdmin.")
    scope: ScopeText = Field("", description="Where: env-1, env-1/lkc-1, sa-1; the whole organization if omitted.")

    until: Day | None = Field(
        None, description="The last day on which it applies, in UTC, like 2026-12-31; unlimited if omitted."
    )

    @model_validator(mode="after")
    def _one_subject(self) -> "MappingPart":
        if [self.user, self.group, self.team].count(None) != 2:  # noqa: PLR2004 -- all but one
            raise ValueError("give the role to one of these: a `user` (U…), a `group` (S…) or a `team`")
        return self


def _with_table(name: str) -> dict[str, Any]:
    """For the JSON Schema: mappings with the roles of this table."""
    role = {"properties": {"role": {"enum": sorted(TABLES[name].roles)}}}
    known = sorted(TABLES[name].roles | {ACCOUNT_ADMIN})
    return {"properties": {"mappings": {"items": role}, "new_accounts": {"items": {"enum": known}}}}


class RolesPart(Part):
    """The role table, and the roles that this file gives."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"table": {"enum": ["2026", 2026]}}, "required": ["table"]},
            "then": _with_table("2026"),
            "else": _with_table("documented"),
        }
    )

    table: TableName = Field("documented", description='Which version of the role table applies: documented or "2026".')
    mappings: tuple[MappingPart, ...] = Field((), description="Roles that this file gives.")
    new_accounts: Annotated[tuple[Role, ...], Field(min_length=1, max_length=20)] | None = Field(
        None,
        description="A list of roles that can create new service accounts, instead of the table's own list. "
        "To allow no one, forbid the owner new-service-account in a rule.",
    )
    people_only: Switch = Field(
        default=False, description="Whether only people listed in `people` can approve: true or false."
    )


class PersonPart(Part):
    """Someone's user in Confluent Cloud, if their email address doesn't match it."""

    slack: SlackUser = Field(description="The ID of a Slack user, U….")
    confluent: ConfluentUser = Field(description="The ID of a Confluent user, u-….")


def _bound_on(on: str) -> dict[str, Any]:
    """For the JSON Schema: entries for this, with the roles that can be bound to it."""
    return {"properties": {"on": {"const": on}, "role": {"enum": sorted(ROLES_ON[cast("On", on)])}}}


class GrantPart(Part):
    """Access that can be requested with a key of a service account."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_bound_on(on) for on in ROLES_ON]})

    name: OfferName = Field(description="A unique name, up to 75 characters, which the form shows.")
    role: str = Field(description="A role such as DeveloperRead, without rights to grant roles to others.")
    on: On = Field(description=f"What the role is granted on: {', '.join(ROLES_ON)}.")
    prefix: Switch = Field(
        default=False, description="Whether people type how names start, instead of whole names: true or false."
    )


class OrphansPart(Part):
    """Keys that Latchkey created and whose request it lost before anyone saw the secret."""

    delete_after: Duration | None = Field(
        None, description="How long these keys are only reported before they're deleted: 1d or more, 7d unless set."
    )


class ReviewPart(Part):
    """The regular review of keys that may no longer be needed."""

    every: Duration | None = Field(None, description="How often; 7d unless set.")
    older_than: Duration | None = Field(None, description="How old a key has to be to be reviewed; 90d unless set.")
    channel: Channel | None = Field(
        None, description=f"{_CHANNEL} The review goes there; without it, to the file's channel."
    )


class TeamPart(Part):
    """People and places under one name."""

    name: TeamName = Field(description="A unique name, which rules use as team:NAME.")
    members: Annotated[tuple[Member, ...], Field(max_length=20)] = Field(
        (), description="A list of Slack people (U…) and user groups (S…)."
    )
    scopes: Annotated[tuple[ScopeText, ...], Field(max_length=100)] = Field(
        (), description="A list of places: env-1, env-1/lkc-1, sa-1."
    )
    environments: Annotated[tuple[Place, ...], Field(max_length=100)] = Field(
        (),
        description="A list of environments for rules, as in `match`: IDs, names, and names with the wildcard *. "
        "A role isn't given there: it needs IDs, in `scopes`.",
    )
    role: Role | None = Field(
        None, description="A role that this file gives its members at its scopes, such as CloudClusterAdmin."
    )
    until: Day | None = Field(
        None, description="The last day on which members have the role, in UTC, like 2026-12-31; unlimited if omitted."
    )


class FilePart(Part):
    """Latchkey's policy file."""

    version: Annotated[Literal[1], BeforeValidator(_no_switch)] = Field(description="The version of this format: 1.")
    channel: Channel | None = Field(
        None, description=f"{_CHANNEL} Cards go there unless a rule says otherwise; without it, to LATCHKEY_CHANNEL."
    )
    roles: RolesPart = Field(
        default_factory=lambda: RolesPart.model_validate({}), description="The role table, and roles given here."
    )
    teams: tuple[TeamPart, ...] = Field(
        (), description="A list of people and places under one name: name, members, scopes, role and until."
    )
    people: tuple[PersonPart, ...] = Field(
        (), description="People whose email address doesn't match their Confluent user."
    )
    defaults: Conditions = Field(
        default_factory=lambda: Conditions.model_validate({}), description="Defaults for rules that don't set these."
    )
    rules: tuple[RulePart, ...] = Field((), description="A list of rules; the first one that matches decides.")
    open_requests: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        10, description="How many open requests one person can have, 1 to 1000; 10 unless set."
    )
    grants: OrOffMany[GrantPart] | None = Field(
        None,
        description="A list of the access that people can request with a key of a service account, in place of the "
        "list that is built in; or off, for none.",
    )
    orphaned_keys: OrOff[OrphansPart] = Field(
        default_factory=lambda: OrphansPart.model_validate({}),
        description="What happens to keys whose request is lost and whose secret no one saw: delete_after, or off to "
        "only report them.",
    )
    review: OrOff[ReviewPart] = Field(
        default_factory=lambda: ReviewPart.model_validate({}),
        description="The regular review of old keys: every, older_than and channel; or off.",
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, with shared definitions."""
    found = FilePart.model_json_schema()
    _tidy(found)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "Latchkey policy"}


def _tidy(node: object) -> None:
    """Remove null, because empty values are refused, and titles that only repeat a name."""
    if isinstance(node, list):
        for each in cast("list[object]", node):
            _tidy(each)
    if isinstance(node, dict):
        part = cast("dict[str, Any]", node)
        part.pop("title", None)
        if part.get("default", ...) is None:
            del part["default"]
        options: list[Any] = [each for each in part.pop("anyOf", []) if each != {"type": "null"}]
        part.update(options[0] if len(options) == 1 else {"anyOf": options} if options else {})
        for each in part.values():
            _tidy(each)
