"""The broker: Mosquitto where it is installed (MQTT 5), else the embedded one (3.1.1), TLS with client certificates only."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.cli.demo_story.child import Child
from gateway.errors import Unavailable

START_S: Final = 20.0
PLACES: Final = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))


class BrokerPlace(Struct, frozen=True, kw_only=True):
    """Folder of its files, port on loopback, authority, certificate and key; ``writers`` are certificate names and topics."""

    folder: Path
    port: int
    ca: Path
    certificate: Path
    key: Path
    reader: str
    writers: dict[str, str]


class Broker(Struct, kw_only=True):
    """A broker that runs: its process, its name for people, and whether it speaks MQTT 5."""

    child: Child
    title: str
    mqtt5: bool


async def start_broker(place: BrokerPlace, *, embedded: bool = False) -> Broker:
    """Start the best broker of this machine; ``embedded`` forces the one that needs nothing installed."""
    mosquitto = None if embedded else shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + PLACES)
    log = place.folder / "broker.log"
    if mosquitto is not None:
        child = Child("the broker", [mosquitto, "-c", str(_write_mosquitto(place))], log)
        broker = Broker(child=child, title="Mosquitto, MQTT 5", mqtt5=True)
    elif find_spec("amqtt") is not None:
        settings = place.folder / "embedded-broker.json"
        settings.write_text(json.dumps(embedded_settings(place)))
        command = [sys.executable, "-m", "gateway.cli.demo_story.embedded_broker", str(settings)]
        broker = Broker(child=Child("the broker", command, log), title="embedded broker, MQTT 3.1.1", mqtt5=False)
    else:
        raise Unavailable(
            "no MQTT broker: neither Mosquitto nor the package amqtt is installed",
            remedy="sudo apt install mosquitto, or install the extra: pip install 'shopfloor-gateway[demo]'",
        )
    await broker.child.start()
    await broker.child.listening(place.port, START_S)
    return broker


def _write_mosquitto(place: BrokerPlace) -> Path:
    """Write configuration and access list as a plant would have them; return the configuration's path."""
    acl = place.folder / "mosquitto.acl"
    rights = [f"user {place.reader}", "topic read #", "topic read $SYS/#", "topic write gateway/#"]
    for name, topic in place.writers.items():
        rights += [f"user {name}", f"topic write {topic}"]
    acl.write_text("\n".join(rights) + "\n")
    acl.chmod(0o600)
    settings = {
        "per_listener_settings": "false",
        "user": getpass.getuser(),  # it would drop to an account that may not read this folder
        "persistence": "true",
        "persistence_location": f"{place.folder}/",
        "autosave_interval": "1",
        "autosave_on_changes": "false",
        "max_inflight_messages": "0",
        "max_queued_messages": "0",
        "upgrade_outgoing_qos": "true",
        "persistent_client_expiration": "30d",
        "message_size_limit": "262144",
        "sys_interval": "10",
        "allow_anonymous": "false",
        "acl_file": str(acl),
        "log_dest": "stderr",
        "listener": f"{place.port} 127.0.0.1",  # what follows belongs to it
        "cafile": str(place.ca),
        "certfile": str(place.certificate),
        "keyfile": str(place.key),
        "require_certificate": "true",
        "use_identity_as_username": "true",
        "tls_version": "tlsv1.2",
    }
    path = place.folder / "mosquitto.conf"
    path.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    return path


def embedded_settings(place: BrokerPlace) -> dict[str, object]:
    """Return the settings of the embedded broker."""
    return {
        "listeners": {
            "default": {
                "type": "tcp",
                "bind": f"127.0.0.1:{place.port}",
                "ssl": True,
                "cafile": str(place.ca),
                "certfile": str(place.certificate),
                "keyfile": str(place.key),
            }
        },
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
