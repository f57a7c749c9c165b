"""What is installed: Latchkey's own distribution, and what else in the same environment claims its packages."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions
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
    found = packages_distributions()
    return sorted({name for package in PACKAGES for name in found.get(package, ())} - {DISTRIBUTION})


def problem() -> str | None:
    """A sentence about them; None where there are none."""
    others = strangers()
    if not others:
        return None
    return (
        f"{', '.join(others)} {'has' if len(others) == 1 else 'have'} packages with the same names as Latchkey's "
        f"({', '.join(PACKAGES)}) in this environment. Install Latchkey into an environment of its own."
    )
