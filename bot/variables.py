"""Checks single environment variables. Errors never quote a value, because it may be a secret."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, SecretStr

from bot.scanning import GITHUB
from bot.store.sealing import parse_master_keys

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if "," not in parts.netloc:  # the ports of several servers are checked later
            _ = parts.port
    except ValueError:  # its text quotes the address, and there may be a password in it
        raise ValueError("is not an address") from None
    return parts


def endpoint(url: str) -> str:
    """The base URL of an API, without a / at its end. Raises ValueError, also for plain http to another machine."""
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("is not an https:// address")
    if parts.query or parts.fragment:
        raise ValueError("must be an address without ? and #")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must begin with https:// (plain http is for this machine only)")
    return url.rstrip("/")


def begins_with(prefix: str, secret: SecretStr) -> SecretStr:
    """The token, unchanged. Raises ValueError unless it begins with `prefix`."""
    if not secret.get_secret_value().startswith(prefix):
        raise ValueError(f"must begin with {prefix}")
    return secret


def redis_url(secret: SecretStr) -> SecretStr:
    """The address of a Redis, unchanged; it may contain a password. Raises ValueError."""
    parts = _split(secret.get_secret_value())
    if parts.scheme not in REDIS_SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in REDIS_SCHEMES)}")
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError("doesn't name a server")
    if parts.scheme.endswith("+sentinel") and not parts.path.strip("/"):
        raise ValueError("doesn't name a service: redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB")
    return secret


def master_keys(secret: SecretStr) -> SecretStr:
    """The master keys, unchanged. Raises ValueError if they can't be parsed."""
    try:
        parse_master_keys(secret.get_secret_value())
    except ValueError as error:  # which never quotes a key
        raise ValueError(f"is malformed: {error}") from None
    return secret


def policy_file(path: Path | None) -> Path | None:
    """The path, unchanged. Raises ValueError if there is no such file; its content is read later."""
    if path is not None and not os.path.isfile(path):  # noqa: PTH113 - Path's raises if not allowed
        raise ValueError("isn't a file that Latchkey can see")
    return path


def scanner(source: str) -> str:
    """Where the public keys of a secret scanner are: an address or a file. "github" becomes GitHub's address."""
    if source.lower() == "github":
        return GITHUB
    if "://" in source:
        return endpoint(source)
    if source and not os.path.isfile(source):  # noqa: PTH113 - Path's raises if not allowed
        raise ValueError("isn't github, an https:// address, or a file that Latchkey can see")
    return source


Endpoint: TypeAlias = Annotated[str, AfterValidator(endpoint)]
"""The base URL of an API."""
