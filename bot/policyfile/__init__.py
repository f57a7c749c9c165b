"""The policy file: parsed, checked, described by a JSON Schema, and reloaded when it changes."""

from bot.policyfile.document import PolicyError
from bot.policyfile.findings import Finding, check, without_break_glass
from bot.policyfile.model import schema
from bot.policyfile.reading import PolicyFile, parse, read
from bot.policyfile.source import PolicySource

__all__ = [
    "Finding",
    "PolicyError",
    "PolicyFile",
    "PolicySource",
    "check",
    "parse",
    "read",
    "schema",
    "without_break_glass",
]
