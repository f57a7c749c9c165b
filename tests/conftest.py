"""What holds for every test: the developer's own environment stays out, and a browser is asked for by name."""

import gc
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from bot import trouble
from bot.store import embedded
from sandbox.slack.manners import new_seed
from tests.support.tls import one_context_for_all

CHROMIUMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PRODUCT_VARIABLES = ("SLACK_", "CONFLUENT_", "LATCHKEY_", "REDIS_URL", "LOG_LEVEL", "HOST", "PORT")
TEST_VARIABLES = {"TEST_CHROMIUM", "TEST_REQUIRE_BROWSER", "TEST_REQUIRE_SHARED"}
WAITING = {"e2e", "chaos", "test_cluster.py", "test_replicas.py", "test_embedded.py"}
"""Folders and files of tests that mostly wait, for processes of their own."""
SEED, STREAM = "SANDBOX_SEED", "SANDBOX_STREAM"
MEMORY, ROOM = Path("/dev/shm"), 2**30
"""Where tests keep their files if so many bytes are free; a container has 64 MB unless told otherwise. Servers wait for
the disk with each write, and one that all tests write to takes seconds, while a click must be stored in two. No test is
about the disk itself: what a killed process wrote is still there in either.
"""

# A deadline per example measures how busy the machine is, not the code.
settings.register_profile("latchkey", deadline=None, print_blob=True)
settings.load_profile("latchkey")


def pytest_configure() -> None:
    """Forget the product's variables, or a test could reach a real workspace with a developer's own tokens."""
    for name in os.environ.keys() - TEST_VARIABLES:
        if name.startswith(PRODUCT_VARIABLES):
            del os.environ[name]
    os.environ.setdefault(SEED, str(new_seed()))
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    one_context_for_all()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix files that mostly wait with those that compute, or the machine is idle first and overloaded then.

    Those that wait or search take up to four minutes, and are begun earlier: what is begun last should be short.
    """
    files = list(dict.fromkeys(item.path for item in items))
    searching = {item.path for item in items if item.get_closest_marker("search")}
    waiting = {file for file in files if not WAITING.isdisjoint(file.parts)}
    long = [[file for file in files if file in waiting], [file for file in files if file in searching - waiting]]
    short = [file for file in files if file not in searching | waiting]
    place = {file: number / len(short) for number, file in enumerate(short)}
    for part in long:
        place |= {file: number / len(part) * 0.45 for number, file in enumerate(part)}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from looking through thousands of collected tests again and again."""
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    """Say how this run can be repeated."""
    return f"sandbox: {SEED}={os.environ[SEED]}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test random numbers of its own, so that it can be repeated alone."""
    os.environ[STREAM] = item.nodeid


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say it again under what failed."""
    report = yield
    if report.failed:
        report.sections.append(("To repeat it", f"{SEED}={os.environ[SEED]} python -m pytest '{item.nodeid}'"))
    return report


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium; without one the test is skipped, or fails where TEST_REQUIRE_BROWSER=1."""
    chosen = os.environ.get("TEST_CHROMIUM")
    for candidate in (chosen,) if chosen else CHROMIUMS:
        if path := shutil.which(candidate):
            return path
    reason = "no Chromium found: install it, or set TEST_CHROMIUM to its path"
    if os.environ.get("TEST_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(params=["valkey", "redis"])
def server_program(request: pytest.FixtureRequest) -> Path:
    """The server in our wheel, and the redis-server of this machine: that of Debian 12 is a Redis 7.0, with TLS.

    Without the latter its tests are skipped, or fail where TEST_REQUIRE_TOOLS=1.
    """
    return embedded._binary() if request.param == "valkey" else redis_server()


@pytest.fixture
def redis_program() -> Path:
    """The redis-server of this machine alone."""
    return redis_server()


def redis_server() -> Path:
    """Where redis-server is; redis-sentinel is beside it."""
    if found := shutil.which(os.environ.get("TEST_REDIS_SERVER") or "redis-server"):
        return Path(found)
    reason = "no redis-server found: install redis-server and redis-sentinel, or set TEST_REDIS_SERVER to its path"
    if os.environ.get("TEST_REQUIRE_TOOLS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _every_trouble_is_news() -> None:
    """Let each test hear what was logged within the last minute."""
    trouble.once.forget()
