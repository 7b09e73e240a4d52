"""Addresses of items: `nsu=<uri>;s=…` and its forms, bound to the NamespaceArray of this connection and no other.

Only URIs are kept: an index means another namespace after a restart of the server. `ns=` is refused for that reason.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Sequence

from msgspec import Struct

from gateway.adapters.opcua.foreign import BrowsePath, NodeId, ua
from gateway.errors import SourceRefused

_FORM = re.compile(r"(?:nsu=(?P<uri>[^;]*);)?(?P<kind>[sigb]=|path:)(?P<rest>.*)", re.DOTALL)
UA_NAMESPACE = "http://opcfoundation.org/UA/"


class Address(Struct, frozen=True):
    """A parsed address; exactly one of ``identifier`` and ``steps`` says where. ``field`` names a member of a structure."""

    text: str
    uri: str
    identifier: int | str | bytes | uuid.UUID | None = None
    steps: tuple[str, ...] = ()
    field: str | None = None


def parse_address(text: str) -> Address:
    """Return the address; raise `SourceRefused` for `ns=` and for what is none of the forms of `profiles.md` 2."""
    if text.startswith("ns="):
        raise SourceRefused(
            f"address '{text}' names a namespace by index, which changes when the server restarts",
            code="REF-01",
            remedy="write nsu=<namespace URI>; (see `gateway opcua browse`)",
        )
    match = _FORM.fullmatch(text)
    if match is None:
        raise _unknown(text, "it is none of s= i= g= b= path:")
    uri = match["uri"] or UA_NAMESPACE
    rest, field = match["rest"], None
    if match["kind"] == "path:":
        steps = tuple(part.replace("&/", "/") for part in re.split(r"(?<!&)/", rest.removeprefix("/")))
        if not all(steps):
            raise _unknown(text, "a step of the path is empty")
        return Address(text, uri, steps=steps)
    if "#" in rest and match["kind"] != "s=":
        rest, _, field = rest.partition("#")
    try:
        return Address(text, uri, _identifier(match["kind"], rest), field=field)
    except (ValueError, binascii.Error) as error:
        raise _unknown(text, str(error)) from error


def bind(address: Address, namespaces: Sequence[str]) -> NodeId | None:
    """Return the node id on this server; None when it does not know the namespace, or the address is a path."""
    if address.identifier is None or address.uri not in namespaces:
        return None
    return ua.NodeId(address.identifier, namespaces.index(address.uri))


def browse_path(address: Address, namespaces: Sequence[str]) -> BrowsePath | None:
    """Return the path from the Objects folder for TranslateBrowsePaths; None when the namespace is not there."""
    if address.uri not in namespaces:
        return None
    index = namespaces.index(address.uri)
    path = ua.BrowsePath(StartingNode=ua.NodeId(ua.ObjectIds.ObjectsFolder))
    path.RelativePath.Elements = [
        ua.RelativePathElement(
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
            IsInverse=False,
            IncludeSubtypes=True,
            TargetName=ua.QualifiedName(step, index),
        )
        for step in address.steps
    ]
    return path


def format_address(node: NodeId, namespaces: Sequence[str]) -> str:
    """Return the text a profile keeps for a node of this server."""
    uri = namespaces[node.NamespaceIndex] if node.NamespaceIndex < len(namespaces) else f"?{node.NamespaceIndex}"
    head = "" if node.NamespaceIndex == 0 else f"nsu={uri};"
    identifier = node.Identifier
    if isinstance(identifier, bytes):
        return f"{head}b={base64.b64encode(identifier).decode()}"
    if isinstance(identifier, uuid.UUID):
        return f"{head}g={identifier}"
    return f"{head}{'i' if isinstance(identifier, int) else 's'}={identifier}"


def _identifier(kind: str, rest: str) -> int | str | bytes | uuid.UUID:
    match kind:
        case "i=":
            number = int(rest)
            if not 0 <= number < 1 << 32:
                raise ValueError("i= is no unsigned 32-bit number")
            return number
        case "g=":
            return uuid.UUID(rest)
        case "b=":
            return base64.b64decode(rest, validate=True)
        case _:
            if not rest:
                raise ValueError("s= is empty")
            return rest


def _unknown(text: str, why: str) -> SourceRefused:
    return SourceRefused(
        f"address '{text}' is not understood: {why}",
        code="REF-01",
        remedy="write nsu=<namespace URI>;s=… (or i= g= b= path:/…)",
    )
