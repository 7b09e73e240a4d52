"""A time-stamping authority of our own: `openssl ts -reply` behind loopback HTTP, with a root and a certificate made here."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.adapters.system_clock import OsClock
from gateway.ledger.timestamp import make_request
from tests.counterparts.missing import need

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from cryptography.x509 import Certificate

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
POLICY = "1.2.3.4.1"
STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CONFIG = """
[tsa]
default_tsa = own
[own]
dir = {folder}
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
{certs}
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1, millisecs:500, microsecs:100
clock_precision_digits = {digits}
ordering = no
tsa_name = yes
ess_cert_id_chain = {chain}
ess_cert_id_alg = {ess}
"""


def now() -> datetime:
    return datetime.fromtimestamp(OsClock().now().wall_ns // 1_000_000_000, UTC)


class Authority:
    """Keys and certificates in `folder`: `ca.pem` the root, `tsa.pem` the signer, below an intermediate if asked.

    `days` and `seconds` say how long the signer's certificate holds, from yesterday; `uses` is its extended key usage.
    """

    def __init__(
        self,
        folder: Path,
        *,
        curve: bool = False,
        intermediate: bool = False,
        until: timedelta = timedelta(days=365),
        uses: Sequence[x509.ObjectIdentifier] = STAMPING,
        critical: bool = True,
        ess: str = "sha256",
        digits: int = 3,
        crl_url: str = "",
        root_until: timedelta = timedelta(days=730),
    ) -> None:
        self.openssl = need("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._curve, self._ess, self._digits, self._chain = curve, ess, digits, intermediate
        self._crl_url = crl_url
        self._end = now() + root_until
        root_key, root = self._make("Root", None, None, ca=True)
        above_key, above = self._make("Issuing", root_key, root, ca=True) if intermediate else (root_key, root)
        key, signer = self._make("Stamper", above_key, above, until=now() + until, uses=uses, critical=critical)
        self._above, self._signer = (above_key, above), signer
        self.ca.write_bytes(root.public_bytes(Encoding.PEM))
        (folder / "tsa.pem").write_bytes(signer.public_bytes(Encoding.PEM))
        (folder / "chain.pem").write_bytes(above.public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "tsa.key").write_bytes(pem)
        (folder / "serial").write_text("01\n")
        self.configure()

    def configure(self, digests: str = "sha256") -> None:
        """Write the configuration; a request whose digest is not among `digests` is rejected."""
        chain = "yes" if self._chain else "no"
        certs = f"certs = {self.folder}/chain.pem" if self._chain else ""
        text = CONFIG.format(
            certs=certs, folder=self.folder, digests=digests, digits=self._digits, chain=chain, ess=self._ess
        )
        (self.folder / "tsa.cnf").write_text(text)

    def crl(self, revoked: datetime | None = None, *, hours: int = 24) -> bytes:
        """A revocation list of the signer's issuer, DER; ``revoked``: since when the signer counts no more."""
        key, issuer = self._above
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(now() - timedelta(hours=1))
            .next_update(now() + timedelta(hours=hours))
        )
        if revoked is not None:
            entry = x509.RevokedCertificateBuilder().serial_number(self._signer.serial_number).revocation_date(revoked)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def reply(self, query: bytes) -> bytes:
        """What `openssl ts -reply` answers to a request."""
        (self.folder / "q.tsq").write_bytes(query)
        self.run("-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "a.tsr")
        return (self.folder / "a.tsr").read_bytes()

    def accepts(self, content: bytes, answer: bytes, *, at_s: int | None = None) -> bool:
        """Whether `openssl ts -verify` takes a token over `content`, at a time if one is given."""
        (self.folder / "data").write_bytes(content)
        (self.folder / "v.tsr").write_bytes(answer)
        at = () if at_s is None else ("-attime", str(at_s))
        words = ("-verify", "-data", "data", "-in", "v.tsr", "-CAfile", str(self.ca), *at)
        return self.run(*words, check=False).returncode == 0

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """`openssl ts` in the folder of the authority."""
        done = subprocess.run(
            [self.openssl, "ts", *words], cwd=self.folder, capture_output=True, timeout=30, check=False
        )
        assert not check or done.returncode == 0, done.stderr.decode()[-2000:]
        return done

    def _make(
        self,
        name: str,
        issuer_key: Private | None,
        issuer: Certificate | None,
        *,
        ca: bool = False,
        until: datetime | None = None,
        uses: Sequence[x509.ObjectIdentifier] = STAMPING,
        critical: bool = True,
    ) -> tuple[Private, Certificate]:
        key: Private = ec.generate_private_key(ec.SECP256R1()) if self._curve else rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {name}")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - timedelta(days=1))
            .not_valid_after(until or self._end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=critical)
        if not ca and self._crl_url:
            names = [x509.UniformResourceIdentifier(self._crl_url)]
            point = x509.DistributionPoint(names, None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return key, builder.sign(issuer_key or key, hashes.SHA256())


class TsaServer:
    """The authority behind HTTP. `mode` says how it answers: ok, down, junk, refuse, other_imprint, other_nonce.

    `queries` are the requests as they came; `lists` is what any GET answers.
    """

    def __init__(self, authority: Authority, port: int = 0) -> None:
        self.authority = authority
        self.mode = "ok"
        self.queries: list[bytes] = []
        self.lists: tuple[int, bytes] = (404, b"")
        self._lock = threading.Lock()
        tsa = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["content-length"]))
                status, body = tsa.take(query) if self.headers["content-type"] == QUERY else (415, b"")
                self.send_response(status)
                self.send_header("content-type", REPLY)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                status, body = tsa.lists
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/tsr"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def take(self, query: bytes) -> tuple[int, bytes]:
        """Answer one request in the way of `mode`."""
        with self._lock:
            self.queries.append(query)
            if self.mode in {"down", "junk"}:
                return (503, b"closed") if self.mode == "down" else (200, b"<html>a portal</html>")
            self.authority.configure("sha512" if self.mode == "refuse" else "sha256")
            return 200, self.authority.reply(other_query(query, self.mode))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def other_query(query: bytes, mode: str) -> bytes:
    """The request itself, or one with another imprint or another nonce in its place."""
    if mode == "other_imprint":
        return make_request(bytes(32), 7)
    if mode == "other_nonce":
        at = query.index(b"\x04\x20") + 2
        return make_request(query[at : at + 32], 7)
    return query
