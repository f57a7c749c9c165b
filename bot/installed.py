"""What is installed: Latchkey's own distribution, and what else in the same environment claims its packages."""

from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distributions
from importlib.metadata import version as version_of

DISTRIBUTION = "latchkey-confluent"
"""The plain name is another project's on the public index."""
PACKAGES = ("bot", "handlers")
"""Common names: another distribution may have packages with the same names, and Python imports only one of them."""


def version() -> str:
    """The installed version; "0" in a checkout that isn't installed."""
    try:
        return version_of(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"


def strangers() -> Sequence[str]:
    """Other distributions with packages named like ours, sorted.

    Their files may be mixed with ours, or replace them.
    """
    return sorted({each.name for each in distributions() if _claims_ours(each)} - {DISTRIBUTION})


def problem() -> str | None:
    """A sentence about these distributions; None if there are none."""
    others = strangers()
    if not others:
        return None
    return (
        f"{', '.join(others)} {'has' if len(others) == 1 else 'have'} packages with the same names as Latchkey's "
        f"({', '.join(PACKAGES)}) in this environment. Install Latchkey into an environment of its own."
    )


def _claims_ours(other: Distribution) -> bool:
    # packages_distributions() takes apart each of ten thousand paths: a tenth of a second of every start.
    if declared := (other.read_text("top_level.txt") or "").split():
        return not set(PACKAGES).isdisjoint(declared)
    files = "\n" + (other.read_text("RECORD") or "")
    return any(f"\n{package}{rest}" in files for package in PACKAGES for rest in ("/", ".py,"))
