"""The policy that holds while the program runs: changed by a good new file, and by nothing else."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from bot.domain.policy import without_a_file
from bot.policyfile import PolicyError, PolicySource, parse
from tests.policy.written import HEAD
from tests.support.processes import until

SOON = 0.02
"""Seconds between two looks in these tests."""


def text(*names: str) -> str:
    return HEAD + "rules:\n" + "".join(f"- {{name: {name}}}\n" for name in names)


def write(path: Path, content: str) -> None:
    path.write_text(content, "utf-8")


def remove(path: Path) -> None:
    path.unlink()


def digest_of(path: Path) -> str:
    return parse(path.read_bytes(), default_channel="").policy.digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yml"
    write(path, text("first"))
    return path


def opened(path: Path, *, every: float = SOON, settle: float = SOON) -> PolicySource:
    source = PolicySource.open(path, "")
    source.every, source.settle = every, settle
    return source


class Today:
    """A clock that stands, on a day that a test sets."""

    def __init__(self, day: str) -> None:
        self.day = day

    def __call__(self) -> datetime:
        return datetime.fromisoformat(f"{self.day}T23:59:59+00:00")


def name(source: PolicySource) -> str:
    return source.current().rules[0].name


@asynccontextmanager
async def following(source: PolicySource) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(source.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def test_without_a_file_the_built_in_policy_holds() -> None:
    source = PolicySource.open(None, "C09")

    assert source.current() == without_a_file("C09")
    assert (source.policy.digest, source.problem) == ("built-in", None)


async def test_without_a_file_there_is_nothing_to_reload() -> None:
    source = PolicySource.open(None, "C09")
    source.every = SOON

    async with following(source):
        source.ring()
        assert await source.reload()

    assert source.current() == without_a_file("C09")


def test_a_first_file_that_is_wrong_is_refused(path: Path) -> None:
    write(path, "version: 2")

    with pytest.raises(PolicyError, match="version"):
        PolicySource.open(path, "C09")


def replace_as_editors_do(path: Path, content: str) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_text(content, "utf-8")
    fresh.replace(path)


def write_with_the_same_size_and_time(path: Path, content: str) -> None:
    before = path.stat()
    write(path, content)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [write, replace_as_editors_do, write_with_the_same_size_and_time])
async def test_a_changed_file_is_noticed(path: Path, change: Callable[[Path, str], None]) -> None:
    source = opened(path)
    before = source.policy.digest

    async with following(source):
        change(path, text("other"))
        await until(lambda: name(source) == "other", "the source")

    assert source.policy.digest == digest_of(path) != before


async def test_a_configmap_that_swaps_its_link_is_noticed(tmp_path: Path) -> None:
    for version in ("first", "other"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "policy.yml").write_text(text(version), "utf-8")
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "policy.yml").symlink_to("..data/policy.yml")
    source = opened(tmp_path / "policy.yml")

    async with following(source):
        (tmp_path / "..data_tmp").symlink_to("other")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await until(lambda: name(source) == "other", "the source")


async def test_a_ring_reads_the_file_at_once(path: Path) -> None:
    source = opened(path, every=3600, settle=3600)

    async with following(source):
        write(path, text("other"))
        source.ring()
        await until(lambda: name(source) == "other", "the source")


async def test_a_file_that_is_still_being_written_is_left_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = opened(path, settle=3600)

    with caplog.at_level(logging.DEBUG):
        async with following(source):
            write(path, HEAD)  # reads well, and has lost its rules
            await until(lambda: "policy file changed" in caplog.messages, "the source")
            assert name(source) == "first"
            write(path, text("whole"))  # and then the wait ends, because we stop

    assert name(source) == "first", "it changed while we waited for it to settle"


@pytest.mark.parametrize("content", ["version: 2\n", "", "a: [", HEAD + "rules: [{name: a, approvals: 9}, {nam: b}]"])
async def test_a_broken_file_keeps_the_old_policy_and_says_so(
    path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = opened(path)
    digest = source.policy.digest

    async with following(source):
        write(path, content)
        await until(lambda: source.problem is not None, "the source")
        assert (name(source), source.policy.digest) == ("first", digest)
        assert source.problem is not None
        assert source.problem.startswith(f"{path}:")

        write(path, text("mended"))
        await until(lambda: name(source) == "mended", "the source")
        await until(lambda: source.problem is None, "the source")

    assert [record.levelname for record in caplog.records if "not accepted" in record.message] == ["ERROR"]


async def test_a_file_that_is_gone_keeps_the_old_policy_until_it_is_back(path: Path) -> None:
    source = opened(path)

    async with following(source):
        remove(path)
        await until(lambda: source.problem == f"{path}: can't be read: no such file", "the source")
        assert name(source) == "first"

        write(path, text("first"))
        await until(lambda: source.problem is None, "the source")

    assert name(source) == "first"


async def test_all_problems_are_logged_and_the_first_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = opened(path)
    write(path, HEAD + "rules: [{name: a, approvals: 9}]\ndefaults: {claim: 0h}\n")

    with caplog.at_level(logging.ERROR):
        assert not await source.reload()
        assert not await source.reload()

    assert source.problem is not None
    assert source.problem.startswith(f"{path}:3: rules[0].approvals: 9 is too large")
    assert source.problem.endswith("(and 1 more)")
    (record,) = caplog.records
    assert len(record.__dict__["problems"]) == 2


async def test_stopping_does_not_wait_for_the_next_look(path: Path) -> None:
    async with asyncio.timeout(60), following(opened(path, every=3600)):
        pass


# --- what ends --------------------------------------------------------------------------------------------------------

ENDING = f"""{HEAD}roles:
  mappings:
    - {{user: U1, role: EnvironmentAdmin, scope: env-1, until: 2026-12-30}}
    - {{user: U2, role: EnvironmentAdmin, scope: env-1}}
rules:
- {{name: freeze, forbid: Not before the new year., until: 2026-12-31}}
- {{name: usual}}
"""


def test_a_rule_and_a_mapping_hold_through_their_last_day(path: Path) -> None:
    write(path, ENDING)
    today = Today("2026-12-30")
    source = PolicySource.open(path, "", today)
    whole = source.current()
    assert (name(source), len(whole.mappings), whole.digest) == ("freeze", 2, digest_of(path))

    today.day = "2026-12-31"
    assert (name(source), [each.subject for each in source.current().mappings]) == ("freeze", ["U2"])
    assert source.current().digest == f"{digest_of(path)}@2026-12-30"

    today.day = "2027-01-01"
    assert name(source) == "usual"
    assert source.current().digest == f"{digest_of(path)}@2026-12-31"


def test_days_are_in_utc_wherever_the_clock_is(path: Path) -> None:
    write(path, ENDING)
    there = datetime(2027, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))

    assert name(PolicySource.open(path, "", lambda: there)) == "freeze"


async def test_who_follows_the_policy_is_told_when_a_part_of_it_ended(path: Path) -> None:
    write(path, ENDING)
    today = Today("2026-12-30")
    source = PolicySource.open(path, "", today)
    source.every = SOON
    async with following(source):
        await asyncio.sleep(0)
        assert not source.taken.is_set()
        today.day = "2027-01-01"
        async with asyncio.timeout(60):
            await source.taken.wait()

        source.taken.clear()
        write(path, ENDING.replace("usual", "new"))
        async with asyncio.timeout(60):
            await source.taken.wait()
        assert name(source) == "new"
