"""TLS in front of the sandbox, with a throwaway authority: hosts of any name, as the real ones are reached."""

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.forward_proxy import pump
from tests.support.serving import serving


@dataclass(frozen=True, slots=True)
class Front:
    """Where TLS is taken off; `trust` is the file with the authority's certificate, for SSL_CERT_FILE."""

    port: int
    trust: Path


@asynccontextmanager
async def tls_front(folder: Path, hosts: Mapping[str, int]) -> AsyncGenerator[Front]:
    """One TLS port for all `hosts`, each of which is a plain port on this machine."""
    trust, context = authority(folder, list(hosts))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _pass_on(reader, writer, hosts)

    async with serving(serve, context) as port:
        yield Front(port, trust)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hosts: Mapping[str, int]) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    host = next(each for each in hosts if f"\r\nhost: {each}\r\n".encode() in head.lower())
    # The sandbox takes no name but its own.
    names = {f"{name}: {host}\r\n".encode(): f"Host: 127.0.0.1:{hosts[host]}\r\n".encode() for name in ("Host", "host")}

    def renamed(data: bytes) -> bytes:
        for theirs, ours in names.items():
            data = data.replace(theirs, ours)
        return data

    there, away = await asyncio.open_connection("127.0.0.1", hosts[host])
    try:
        away.write(renamed(head))
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, away, renamed))
            group.create_task(pump(there, writer))
    finally:
        away.close()


def one_context_for_all() -> None:
    """Let the clients of this process that trust the usual authorities share one context.

    To read those takes 0.03 s of CPU, twice in each start of the product, and most tests start one.
    """
    usual, create = {certifi.where(), os.environ.get("SSL_CERT_FILE")}, ssl.create_default_context
    shared = cache(create)

    def created(*args: Any, **options: Any) -> ssl.SSLContext:
        is_usual = not args and options.keys() == {"cafile"} and options["cafile"] in usual
        return shared(**options) if is_usual else create(*args, **options)

    ssl.create_default_context = created


def authority(folder: Path, hosts: list[str]) -> tuple[Path, ssl.SSLContext]:
    """The file to trust, and what a server of these hosts needs."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)

    def certificate(name: str, public: ec.EllipticCurvePublicKey, *, is_authority: bool) -> x509.Certificate:
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "throwaway"))
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=is_authority,
            crl_sign=is_authority,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        addresses = [each for each in hosts if each.replace(".", "").isdigit()]
        names = x509.SubjectAlternativeName(
            [x509.DNSName(each) for each in hosts if each not in addresses]
            + [x509.IPAddress(IPv4Address(each)) for each in addresses]
        )
        made = (
            x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        return (made if is_authority else made.add_extension(names, critical=False)).sign(key, hashes.SHA256())

    trust, served, theirs = folder / "authority.pem", folder / "served.pem", ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    trust.write_bytes(certificate("throwaway", key.public_key(), is_authority=True).public_bytes(pem))
    private = theirs.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    served.write_bytes(private + certificate(hosts[0], theirs.public_key(), is_authority=False).public_bytes(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(served)
    return trust, context
