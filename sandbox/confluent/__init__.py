"""A Confluent Cloud organization on localhost: `create_app(acme(clock), Faults(), clock=clock)`."""

from sandbox.confluent.acme import BOT_KEY, acme
from sandbox.confluent.crowd import Size, add_crowd
from sandbox.confluent.faults import Faults
from sandbox.confluent.organization import Organization
from sandbox.confluent.server import create_app
from sandbox.gate import Gate

__all__ = ["BOT_KEY", "Faults", "Gate", "Organization", "Size", "acme", "add_crowd", "create_app"]
