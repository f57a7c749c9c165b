"""The sandbox's organization as `latchkey policy snapshot` writes it down, once for all offline tests."""

import asyncio
from pathlib import Path

import pytest

from tests.cli.given import POLICY, acme
from tests.support.logs import logging_as_before
from tests.support.processes import latchkey

__all__ = ["logging_as_before"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `org.json` and `policy.yaml`; `secrets` has every secret that the organization knew meanwhile."""
    folder = tmp_path_factory.mktemp("explain")
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "org.json").touch(mode=0o644)
    asyncio.run(_taken(folder))
    return folder


async def _taken(folder: Path) -> None:
    stage_folder = folder / "stage"
    stage_folder.mkdir()
    async with acme(stage_folder) as (here, environment):
        policy, output = str(folder / "policy.yaml"), str(folder / "org.json")
        ended = await latchkey("policy", "snapshot", "--policy", policy, "--output", output, **environment)
        assert (ended.code, ended.out) == (0, ""), ended.err
        secrets = [*here.organization.secrets_issued.values(), *here.organization.api_keys, *environment.values()]
        (folder / "secrets").write_text("\n".join(secrets))


@pytest.fixture
def org(folder: Path) -> Path:
    return folder / "org.json"


@pytest.fixture
def policy(folder: Path) -> Path:
    return folder / "policy.yaml"
