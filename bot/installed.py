"""What is installed: Latchkey's own distribution, and what else in the same environment claims its packages."""

from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distributions
from importlib.metadata import version as version_of

DISTRIBUTION = "latchkey-confluent"
"""The plain name is another project's on the public index."""
PACKAGES = ("bot", "handlers")
"""Common names: whatever else is installed may bring packages of the same names, and Python takes only one of them."""


def version() -> str:
    """The version that is installed; "0" in a checkout that nobody installed."""
    try:
        return version_of(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"


def strangers() -> Sequence[str]:
    """Other distributions with packages of our names, sorted. Files of theirs may stand among ours, or ours be lost."""
    return sorted({each.name for each in distributions() if _claims_ours(each)} - {DISTRIBUTION})


def problem() -> str | None:
    """A sentence about them; None where there are none."""
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
