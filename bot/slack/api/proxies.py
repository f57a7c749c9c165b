"""The way out to Slack: one rule for all that talks to it, which is that of the environment."""

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from slack_sdk.web.async_client import AsyncWebClient

_KIND = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


def proxy_for(url: str) -> str | None:
    """The proxy for this URL, by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; None to go there directly.

    Neither aiohttp nor Slack's SDK does this alone: the one knows no proxy for `wss`, the other no NO_PROXY. What is
    read, and how, is as httpx has it, which calls Confluent: a proxy may be written without a scheme.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    found = getproxies_environment()
    proxy = found.get(_KIND.get(parts.scheme, "")) or found.get("all")
    return (proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def is_loopback(host: str) -> bool:
    """Whether this is our own machine, which no proxy reaches."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def routed(client: AsyncWebClient) -> AsyncWebClient:
    """The client, with the proxy that its address needs in place of the one that the SDK took."""
    client.proxy = proxy_for(client.base_url)
    return client
