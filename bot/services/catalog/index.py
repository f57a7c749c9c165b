"""What the form offers at a place: pure looks into the catalog, which may hold 20,000 clusters."""

from collections.abc import Iterator, Sequence

from bot.domain.catalog import Catalog, Region
from bot.domain.keys import Placed
from bot.domain.kinds import CLOUDS, Kind

NOTHING = Catalog("", (), ())


def placed(catalog: Catalog, kind: Kind, environment: str) -> Iterator[Placed]:
    """The resources of one environment, by name."""
    return (each for each in catalog.resources.get(kind, ()) if each.environment == environment)


def regions(catalog: Catalog, environment: str, cloud: str) -> tuple[Sequence[Region], Sequence[Region]]:
    """The regions of one cloud (`aws`): those in use in the environment, and all others, each by id."""
    offered = {each.id: each for each in catalog.regions if each.cloud.lower() == cloud}
    used = sorted(id_ for id_ in _in_use(catalog, environment) if cloud_of(id_) == cloud)
    known = [offered.get(id_, Region(id_, cloud.upper(), "")) for id_ in used]
    return known, [offered[id_] for id_ in sorted(offered.keys() - set(used))]


def region_called(catalog: Catalog, id_: str) -> Region:
    """A region by its id; without a name where the catalog does not know it."""
    return next((each for each in catalog.regions if each.id == id_), Region(id_, cloud_of(id_).upper(), ""))


def clouds(catalog: Catalog, environment: str) -> tuple[tuple[str, ...], int]:
    """The clouds that Flink runs in, first those in use in the environment, and how many these are."""
    used = sorted({cloud_of(id_) for id_ in _in_use(catalog, environment)})
    offered = sorted({each.cloud.lower() for each in catalog.regions}) or CLOUDS
    return (*used, *(each for each in offered if each not in used)), len(used)


def cloud_of(region: str) -> str:
    """The cloud that a region's id names: `aws` of `aws.us-east-1`; "" of anything else."""
    cloud, dot, _ = region.partition(".")
    return cloud if dot else ""


def _in_use(catalog: Catalog, environment: str) -> set[str]:
    return {each.id for kind in Kind if kind.row.is_regional for each in placed(catalog, kind, environment)}
