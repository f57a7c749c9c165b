"""`/iam/v2/api-keys`: list, create, read, change, delete."""

from datetime import UTC, datetime

from starlette.responses import Response

from bot.domain.kinds import Kind
from sandbox.confluent import wire
from sandbox.confluent.changes import carry_out
from sandbox.confluent.model import PLAIN, ApiKey, KeyResource
from sandbox.confluent.organization import Organization, QuotaReached
from sandbox.confluent.wire import PUBLIC_URL, Call, Json, Problem, forbidden, invalid

_BASE = "/iam/v2/api-keys"
_CRN = "crn://api.confluent.cloud/organization="
# Kind, api_version and path of what a key is for. Without a path, `related` is only the word.
_REFERENCES: dict[Kind, tuple[str, str, str | None]] = {
    **{kind: (kind.row.api.kind, kind.row.api.version, f"{kind.row.api.collection}/{{id}}") for kind in PLAIN},
    Kind.KAFKA: ("Cluster", "cmk/v2", "/cmk/v2/clusters/{id}"),
    Kind.SCHEMA_REGISTRY: ("Cluster", "srcm/v3", "/srcm/v3/clusters/{id}"),
    Kind.KSQLDB: ("ksqlDB", "ksqldbcm/v2", "/ksqldbcm/v2/clusters/{id}"),
    Kind.FLINK: ("Region", "fcpm/v2", "/fcpm/v2/regions?cloud=aws"),
    Kind.CLOUD: ("Cloud", "iam/v2", None),
    Kind.TABLEFLOW: ("Tableflow", "tableflow/v1", None),
    Kind.GLOBAL: ("Global", "global/v1", None),
}


async def list_keys(call: Call) -> Response:
    """The keys that the caller sees, filtered by owner and resource."""
    owner, resource = call.parameter("spec.owner"), call.parameter("spec.resource")
    everything = call.caller.is_organization_admin
    found = list(call.organization.api_keys.values())
    if owner or resource or not everything:
        found = [
            key
            for key in found
            if owner in (None, key.owner)
            and resource in (None, key.resource.id)
            and (everything or call.caller.sees_key(key))
        ]
    return wire.page(call, "iam/v2", "ApiKeyList", found, lambda key: _render(key, call))


async def create_key(call: Call) -> Response:
    """Create a key. Only this response contains its secret."""
    owner, resource, name, description = _wanted(call)
    expires_at = _wanted_end(call)
    if call.faults.create_refused != "no":
        raise _refusal(int(call.faults.create_refused))
    _check_allowed(call, owner, resource)

    def make() -> tuple[ApiKey, str]:
        return call.organization.create_key(
            resource, owner, name=name, description=description, limit=call.faults.limit_for, expires_at=expires_at
        )

    try:
        key, secret = await carry_out(call.faults, "create", make)
    except QuotaReached as reached:
        raise Problem(402, "quota_exceeded", "Quota Exceeded", str(reached)) from reached
    body = _render(key, call, secret=secret)
    return wire.one(call, body, 202, {"Location": f"{PUBLIC_URL}{_BASE}/{key.id}"})


async def get_key(call: Call) -> Response:
    """One key, without its secret."""
    key = call.organization.api_keys.get(call.id)
    if key is None or not call.caller.sees_key(key):
        raise forbidden()
    return wire.one(call, _render(key, call, secret=""))


async def edit_key(call: Call) -> Response:
    """Change name and description. Other fields are ignored, as at Confluent."""
    _manageable(call)
    spec = _spec(call)
    name = wire.text_field(spec, "display_name", "/spec")
    description = wire.text_field(spec, "description", "/spec")

    def edit() -> ApiKey:
        key = _manageable(call)
        key.name = key.name if name is None else name
        key.description = key.description if description is None else description
        key.updated_at = call.organization.clock()
        call.organization.note("edit", key.id)
        return key

    key = await carry_out(call.faults, "edit", edit)
    return wire.one(call, _render(key, call, secret=""))


async def delete_key(call: Call) -> Response:
    """Delete a key."""
    _manageable(call)
    await carry_out(call.faults, "delete", lambda: call.organization.delete_key(_manageable(call).id))
    return Response(status_code=204)


def _refusal(status: int) -> Problem:
    limit = "Your organization is currently limited to 1000 API keys"
    match status:
        case 400:
            # Some quota refusals have status 400 and no code.
            return Problem(400, None, None, limit)
        case 402:
            return Problem(402, "quota_exceeded", "Quota Exceeded", limit)
        case 409:
            return Problem(409, "resource_already_exists", "Resource Already exists", "The API key already exists")
        case 422:
            return invalid("/spec/resource", "The property spec.resource is not valid")
        case _:
            return forbidden()


def _manageable(call: Call) -> ApiKey:
    key = call.organization.api_keys.get(call.id)
    if key is None or not call.caller.may_manage_key(key.resource, key.owner):
        raise forbidden()
    return key


def _check_allowed(call: Call, owner: str, resource: KeyResource) -> None:
    if not call.caller.may_manage_key(resource, owner):
        raise forbidden()
    if call.faults.user_keys == "refused" and owner in call.organization.users and owner != call.caller.principal:
        raise forbidden()


def _spec(call: Call) -> Json:
    spec = call.body.get("spec")
    if not isinstance(spec, dict):
        raise invalid("/spec", "The property spec is required")
    return spec


def _wanted(call: Call) -> tuple[str, KeyResource, str, str]:
    """Owner, resource, name and description for a new key. Raises `Problem`."""
    spec = _spec(call)
    name = wire.text_field(spec, "display_name", "/spec") or ""
    description = wire.text_field(spec, "description", "/spec") or ""
    owner = spec.get("owner")
    if not isinstance(owner, dict):
        raise invalid("/spec/owner", "The property spec.owner is required")
    owner_id = wire.text_field(owner, "id", "/spec/owner")
    organization = call.organization
    if owner_id not in organization.users and owner_id not in organization.service_accounts:
        raise invalid("/spec/owner/id", "The property spec.owner.id is not the id of a user or service account")
    return str(owner_id), _wanted_resource(call, spec.get("resource")), name, description


def _wanted_end(call: Call) -> datetime | None:
    """When the key should expire, if the organization supports that. Raises `Problem`."""
    asked = _spec(call).get("expires_at")
    if asked is None or call.faults.expires_at in {"ignored", "zero"}:
        return None
    if call.faults.expires_at == "refused":
        raise invalid("/spec/expires_at", "The property spec.expires_at is not valid", 400)
    try:
        end = datetime.fromisoformat(str(asked))
    except ValueError:
        end = call.organization.clock()
    if end.tzinfo is None or end <= call.organization.clock():
        raise invalid("/spec/expires_at", "The property spec.expires_at must be a moment to come")
    return end


def _wanted_resource(call: Call, resource: object) -> KeyResource:
    if resource is None:
        return call.organization.resource(Kind.CLOUD)
    if not isinstance(resource, dict):
        raise invalid("/spec/resource", "The property spec.resource must be an object", 400)
    id_ = wire.text_field(resource, "id", "/spec/resource")
    environment = wire.text_field(resource, "environment", "/spec/resource")
    if not id_:
        raise invalid("/spec/resource/id", "The property spec.resource.id is required")
    try:
        return call.organization.resource(id_, environment)
    except KeyError:
        raise invalid("/spec/resource", f"The resource {id_} does not exist") from None


def _render(key: ApiKey, call: Call, secret: str | None = None) -> Json:
    organization = call.organization
    holder = f"{_CRN}{organization.id}"
    spec: Json = {"display_name": key.name, "description": key.description}
    if key.owner is not None:
        group, kind, path = ("user", "User", "users")
        if key.owner not in organization.users:
            group, kind, path = ("service-account", "ServiceAccount", "service-accounts")
        holder = f"{holder}/{group}={key.owner}"
        more = {"api_version": "iam/v2", "kind": kind}
        spec["owner"] = wire.reference(key.owner, f"/iam/v2/{path}/{key.owner}", holder, **more)
    if key.says_resource:
        spec["resource"] = _render_resource(key.resource, organization, is_old=sum(key.id.encode()) % 2 == 1)
    if key.expires_at is not None:
        spec["expires_at"] = wire.timestamp(key.expires_at.astimezone(UTC))
    elif call.faults.expires_at == "zero":
        spec["expires_at"] = "0001-01-01T00:00:00Z"
    if secret is not None:
        spec["secret"] = secret
    meta = wire.metadata(f"{_BASE}/{key.id}", f"{holder}/api-key={key.id}", key.created_at, key.updated_at)
    return {"api_version": "iam/v2", "kind": "ApiKey", "id": key.id, "metadata": meta, "spec": spec}


def _render_resource(resource: KeyResource, organization: Organization, *, is_old: bool) -> Json:
    """What a key opens; `is_old`: in the format that some Schema Registry keys have."""
    kind, api_version, path = _REFERENCES[resource.kind]
    if is_old and resource.kind is Kind.SCHEMA_REGISTRY:
        kind, api_version = "SchemaRegistry", "srcm/v2"
    more = {"api_version": api_version, "kind": kind}
    if resource.environment is not None:
        more["environment"] = resource.environment
    if path is None:
        return {"id": resource.id, "related": resource.id, "resource_name": resource.id, **more}
    crn = f"{_CRN}{organization.id}/cluster={resource.id}"
    if resource.kind is not Kind.KAFKA:
        # In the recordings, only references to Kafka clusters have no environment.
        crn = resource.crn.replace("crn://confluent.cloud/", "crn://api.confluent.cloud/", 1)
    return wire.reference(resource.id, path.format(id=resource.id), crn, **more)
