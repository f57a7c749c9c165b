"""The places where Flink and Tableflow run: regions, and the compute pools that show which ones are in use."""

from starlette.responses import Response

from sandbox.confluent import dataplane, wire
from sandbox.confluent.model import ComputePool, Region
from sandbox.confluent.places import environment_reference, in_environment, thing
from sandbox.confluent.wire import Call, Json


async def list_compute_pools(call: Call) -> Response:
    """The Flink compute pools of an environment, filtered by region."""
    region = call.parameter("spec.region")
    found = in_environment(call, call.organization.compute_pools.values())
    in_region = [pool for pool in found if region in (None, pool.region.name)]
    return wire.page(call, "fcpm/v2", "ComputePoolList", in_region, lambda each: _render_pool(call, each))


async def list_flink_regions(call: Call) -> Response:
    """Every region with Flink, filtered by cloud and name."""
    found = _regions(call, "region_name")
    return wire.page(call, "fcpm/v2", "RegionList", found, lambda each: _render_flink_region(call, each))


async def list_tableflow_regions(call: Call) -> Response:
    """Every region with Tableflow."""
    found = _regions(call, "region")
    return wire.page(call, "tableflow/v1", "RegionList", found, _render_tableflow_region)


def _regions(call: Call, name_parameter: str) -> list[Region]:
    cloud, name = call.parameter("cloud"), call.parameter(name_parameter)
    return [
        region
        for region in call.organization.regions.values()
        if cloud in (None, region.cloud) and name in (None, region.name)
    ]


def _render_pool(call: Call, pool: ComputePool) -> Json:
    crn = call.organization.place(f"environment={pool.environment}", f"flink-region={pool.region.id}")
    spec = {
        "display_name": pool.name,
        "cloud": pool.region.cloud,
        "region": pool.region.name,
        "max_cfu": 5,
        "environment": environment_reference(call, pool.environment),
    }
    meta = wire.metadata(f"/fcpm/v2/compute-pools/{pool.id}", f"{crn}/compute-pool={pool.id}", pool.created_at)
    status = {"phase": "PROVISIONED", "current_cfu": 0}
    return thing("fcpm/v2", "ComputePool", pool.id, meta, spec=spec, status=status)


def _render_flink_region(call: Call, region: Region) -> Json:
    return thing(
        "fcpm/v2",
        "Region",
        region.id,
        {"self": "", "resource_name": ""},
        display_name=region.display_name,
        cloud=region.cloud,
        region_name=region.name,
        http_endpoint=dataplane.address(call, region.id),
        private_http_endpoint=f"https://{region.private_flink_host}",
    )


def _render_tableflow_region(region: Region) -> Json:
    return thing("tableflow/v1", "Region", region.id, {"self": ""}, cloud=region.cloud, region=region.name)
