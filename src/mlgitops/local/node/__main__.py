"""``python -m mlgitops.local.node``: be a node until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import ipaddress
import logging
import signal
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from mlgitops import kube
from mlgitops.local.node.agent import Agent, Settings
from mlgitops.local.node.programs import ImageTable
from mlgitops.local.node.status import HOST


def main() -> None:
    """Run the node."""
    parser = argparse.ArgumentParser(description="Runs pods as processes of this machine. It isolates nothing.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--name", required=True, help="the node's name")
    parser.add_argument("--pod-cidr", type=ipaddress.IPv4Network, required=True, help="loopback addresses for pods")
    parser.add_argument("--state-dir", type=Path, required=True, help="where pods' volumes and logs lie")
    parser.add_argument("--images", type=Path, required=True, help="the table of images, JSON")
    parser.add_argument("--gateway-url", default="", help="named where exec and port-forward cannot serve")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    credentials = kube.login(arguments.kubeconfig)
    server = urlsplit(credentials.server)
    reach = arguments.gateway_url or "the cluster's gateway (mlgitops local status)"
    settings = Settings(
        name=arguments.name,
        pods=arguments.pod_cidr,
        folder=arguments.state_dir.resolve(),
        images=ImageTable.load(arguments.images),
        given={
            "KUBERNETES_SERVICE_HOST": server.hostname or "",
            "KUBERNETES_SERVICE_PORT": str(server.port or 443),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(server.port or 443),
        },
        hint=f"reach pods through {reach}",
    )
    # As the kubelet: each probe a connection of its own, so that none holds up a server that drains.
    connections = aiohttp.TCPConnector(force_close=True, limit=0)
    async with (
        kube.Session(credentials, user_agent="mlgitops-node") as session,
        aiohttp.ClientSession(connector=connections) as http,
    ):
        await Agent(settings, session, http, _certificate()).run(over)


def _certificate() -> ssl.SSLContext:
    """Return TLS with a certificate that signs itself: the API server verifies no node here."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mlgitops-node")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
    return context


if __name__ == "__main__":
    main()
