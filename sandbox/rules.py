"""The policy file of a sandbox that was started without one: empty at first, filled by a scenario of the panel."""

from pathlib import Path

EXAMPLE = Path(__file__).with_name("policy.yml")
NO_RULES = "version: 1\n"
"""The same as no policy file."""
SETTING = "LATCHKEY_POLICY"


class OwnRules:
    """This file, in the folder of a stage."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "policy.yml"

    def setting(self) -> dict[str, str]:
        """Create the file, without rules. Returns the setting that names it."""
        self.file.write_text(NO_RULES)
        return {SETTING: str(self.file)}

    @property
    def are_in_force(self) -> bool:
        """Whether the file has the example's rules."""
        return self.file.exists() and self.file.read_text("utf-8") == EXAMPLE.read_text("utf-8")

    def switch(self) -> bool:
        """Write the example's rules to the file, or none again. Returns whether it has them now."""
        self.file.write_text(NO_RULES if self.are_in_force else EXAMPLE.read_text("utf-8"))
        return self.are_in_force
