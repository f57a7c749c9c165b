"""The policy file of a sandbox that was given none: empty at first, and filled by a scenario of the panel."""

from pathlib import Path

EXAMPLE = Path(__file__).with_name("policy.yml")
NO_RULES = "version: 1\n"
"""As if there were no policy file."""
SETTING = "LATCHKEY_POLICY"


class OwnRules:
    """Such a file, in the folder of a stage."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "policy.yml"

    def setting(self) -> dict[str, str]:
        """Make the file, without rules; returns the setting that names it."""
        self.file.write_text(NO_RULES)
        return {SETTING: str(self.file)}

    @property
    def are_in_force(self) -> bool:
        """Whether the file has the example's rules."""
        return self.file.exists() and self.file.read_text("utf-8") == EXAMPLE.read_text("utf-8")

    def switch(self) -> bool:
        """Give the file the example's rules, or none again; returns whether it has them now."""
        self.file.write_text(NO_RULES if self.are_in_force else EXAMPLE.read_text("utf-8"))
        return self.are_in_force
