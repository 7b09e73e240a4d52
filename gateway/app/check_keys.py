"""Keys and secrets for `gateway check`: what each secret must be inside, and a test signature by each key we would use."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.adapters.keys import parse_seed
from gateway.app.keys import publish_place
from gateway.app.setup import is_set_up, seal_signers
from gateway.app.site import Site
from gateway.config.environment import Answer, EnvironmentCheck
from gateway.config.machine_checks import WAITING, Inside, MachineCheck
from gateway.config.models.services import Http, Telemetry
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.crypto import verify_line
from gateway.ledger.policy import SIZE_MAX, Policy, parse_policy
from gateway.ports.keys import Signer

SEAL: Final = "keys.seal.file"
PUBLISH: Final = "keys.publish.file"
_TEXT: Final = b"gateway check\ntest signature\n"


def secrets_inside(site: Site) -> dict[str, Inside]:
    """Return key path → what that secret must be, for all whose inside a start would read."""
    from gateway.adapters.webhook.envelope_seal import parse_secret, parse_signing_key  # noqa: PLC0415 - slow to import

    found: dict[str, Inside] = {SEAL: lambda secret: parse_seed(secret.reveal())}
    for name, sink in site.settings.sinks.items():
        if sink.qms is not None:
            found[f"sinks.{name}.qms.secret"] = lambda secret: parse_secret(secret.reveal_text())
            found[f"sinks.{name}.qms.ed25519_key"] = lambda secret: parse_signing_key(secret.reveal_text())
    return found


def waiting(site: Site) -> frozenset[str]:
    """Return the key paths of secrets that `gateway setup` makes on this box, and has not made yet."""
    if is_set_up(site):
        return frozenset()
    keys = site.settings.keys
    files = {SEAL: keys.seal.file, PUBLISH: None if keys.publish is None else keys.publish.file}
    return frozenset(
        path
        for path, file in files.items()
        if file is not None and file.startswith("file:") and not site.path(file.removeprefix("file:")).exists()
    )


def key_checks(site: Site) -> Iterator[EnvironmentCheck]:
    """Yield a question for each key: does it seal, and does it belong to what it stands beside."""
    if SEAL in waiting(site):
        yield MachineCheck("key-usable", "keys.seal", lambda: WAITING)
    else:
        yield MachineCheck("key-usable", "keys.seal", partial(_seal, site))
    if site.settings.keys.publish is not None:
        asked = (lambda: WAITING) if PUBLISH in waiting(site) else partial(_publish, site)
        yield MachineCheck("key-usable", "keys.publish", asked)
    for target, certificate, reference in _pairs(site):
        yield MachineCheck("key-usable", target, partial(_pair, site, certificate, reference))
    if any(one.opcua is not None and one.opcua.policy != "None" for one in site.settings.connections.values()):
        yield MachineCheck("key-usable", "our OPC UA key", partial(_own, site.state / "opcua"))


def _seal(site: Site) -> Answer:
    found, logs = seal_signers(site), _policy(site).logs
    own = next((one for one in found if one.key in logs), None)
    sealer = found[0] if own is None else own
    if not _holds(sealer):
        return Answer("failed", "its test signature does not hold. Next: restore the key from its backup")
    if logs and own is None:
        return Answer("failed", f"{sealer.key} is not the key of this ledger. Next: restore its own key from backup")
    return Answer("ok", f"{sealer.key} seals")


def _publish(site: Site) -> Answer:
    place, policy = publish_place(site), _policy(site)
    found: Sequence[Signer] = [] if place is None else place.signers()
    if not found:
        return Answer("failed", "there is no key yet. Next: gateway keys init --key publish")
    demanded = [key for key in policy.publish if policy.span_of(key).to_size == SIZE_MAX]
    own = next((one for one in found if one.key in demanded), None)
    if demanded and own is None:
        return Answer("failed", f"{demanded[0]} is not there. Next: bring back the token or file that holds it")
    signer = found[0] if own is None else own
    if not _holds(signer):
        return Answer("failed", "its test signature does not hold. Next: look at the token and its driver")
    return Answer("ok", f"{signer.key} signs what is published")


def _holds(signer: Signer) -> bool:
    try:
        return verify_line(signer.key, _TEXT, signer.sign(_TEXT))
    except LedgerDoubt:
        return False


def _policy(site: Site) -> Policy:
    """Return the policy of this ledger, an empty one before its birth; what is wrong with the file is `verify`'s matter."""
    try:
        return parse_policy((site.ledger / "keys" / "policy").read_text())
    except (OSError, EvidenceRefused):
        return Policy(logs=())


def _pairs(site: Site) -> Iterator[tuple[str, str, str]]:
    """Yield (target, certificate, key) of every TLS pair of ours."""
    settings = site.settings
    blocks: list[tuple[str, Http | Telemetry]] = [("http", settings.http), ("telemetry", settings.telemetry)]
    found = [(f"{name}.key", block.certificate, block.key) for name, block in blocks]
    for name, connection in settings.connections.items():
        if connection.mqtt is not None:
            found.append((f"connections.{name}.mqtt.key", connection.mqtt.certificate, connection.mqtt.key))
    for name, sink in settings.sinks.items():
        if sink.qms is not None:
            found.append((f"sinks.{name}.qms.client_key", sink.qms.client_certificate, sink.qms.client_key))
    for target, certificate, key in found:
        if certificate is not None and key is not None:
            yield target, certificate, key


def _pair(site: Site, certificate: str, reference: str) -> Answer:
    """Load certificate and key together, as a start does: TLS refuses a key that is not the certificate's."""
    path, key = site.path(certificate), site.secret_file(reference)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(path, key, _no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return Answer("failed", f"is not the key of {path}. Next: put the pair there that was made together")
        return Answer("failed", f"{path} and its key are no readable PEM pair. Next: PEM files, the key unencrypted")
    except OSError as error:
        return Answer("failed", f"{error.filename or path}: {error.strerror}")
    return Answer("ok", "belongs to its certificate")


def _no_passphrase() -> str:
    """Nobody is asked for a passphrase: a service starts alone."""
    return ""


def _own(folder: Path) -> Answer:
    from gateway.adapters.opcua.security import load_certificate, load_key  # noqa: PLC0415 - asyncua costs a second

    read: list[bytes] = []
    for name in ("own.der", "own.key"):
        try:
            read.append((folder / name).read_bytes())
        except OSError as error:
            return Answer("failed", f"{folder / name}: {error.strerror}. Next: gateway opcua cert")
    certificate, key = load_certificate(read[0]), load_key(read[1])
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.public_numbers() != key.public_key().public_numbers():
        return Answer("failed", "own.key is not the key of own.der. Next: gateway opcua cert --renew")
    try:
        public.verify(key.sign(_TEXT, padding.PKCS1v15(), hashes.SHA256()), _TEXT, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return Answer("failed", "its test signature does not hold. Next: gateway opcua cert --renew")
    return Answer("ok", "seals, and belongs to own.der")
