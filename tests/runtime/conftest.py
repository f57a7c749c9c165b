"""Logging is global: what a test configures is undone after it."""

from tests.support.logs import logging_as_before

__all__ = ["logging_as_before"]
