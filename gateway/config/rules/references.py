"""References: every name that one file uses of another exists, is said once, and fits (REF-01 to REF-06, LCY-03)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.config.findings import finding
from gateway.config.models.connections import Connection
from gateway.config.models.limits import RuleBlock
from gateway.config.nearest import did_you_mean, nearest
from gateway.config.points import Point
from gateway.config.project import CLIENTS, GATEWAY, PLANT, LimitsAt, ProfileAt, Project
from gateway.config.rules.parameters import check_parameters
from gateway.config.tree import as_block
from gateway.config.yaml_file import Path, YamlFile, dotted

Known = dict[str, tuple[YamlFile, Path]]
"""Names that exist, with the place that declares them."""


def check_references(project: Project, found: list[Point]) -> None:
    """Run the family."""
    _unique(project)
    if project.plant is not None:
        _nodes(project)
        _devices(project)
        _read_twice(project, found)
    for at in project.limits:
        _limits(project, at)
    if project.clients is not None:
        _clients(project)
    if project.gateway is not None:
        _services(project)


def known(project: Project, file: str, *path: str) -> Known:
    """Return the names declared under ``path`` of a file, as far as the file can be read."""
    source = project.files.get(file)
    tree = as_block(source.tree) if source else None
    for part in path:
        tree = as_block(tree.get(part)) if tree else None
    if source is None or tree is None:
        return {}
    return {name: (source, (*path, name)) for name in tree}


def known_signals(project: Project) -> Known:
    """Return all full signal ids with the place of their device."""
    names: Known = {}
    for device, at in known(project, PLANT, "devices").items():
        entry = project.plant.devices.get(device) if project.plant else None
        profile = project.profiles.get(entry.profile) if entry else None
        for signal in profile.model.signals if profile else ():
            names[f"{device}/{signal}"] = at
    return names


def known_limits(project: Project) -> Known:
    """Return all limit sets with the place of their id."""
    return {at.model.id: (at.file, ("id",)) for at in project.limits}


def need_name(  # every part of the message is an argument
    project: Project, file: YamlFile, path: Path, kind: str, name: str, names: Known, *, at_key: bool = False
) -> bool:
    """Demand that ``name`` is among ``names``; else REF-01 with what was meant and where that stands."""
    if name in names:
        return True
    near = nearest(name, names)
    where = ""
    if near is not None:
        source, target = names[near]
        where = f" ({source.name}:{source.key_place(target).line})"
    place = file.key_place(path) if at_key else file.place(path)
    project.add(
        finding("REF-01", place, dotted(path), f"no {kind} '{name}'{did_you_mean(near)}{where}", suggestion=near)
    )
    return False


def _plain(id_: str) -> str:
    """Return an id as it is compared: without case and hyphens."""
    return id_.casefold().replace("-", "")


def _unique(project: Project) -> None:
    """Ids of one kind differ by more than case and hyphens (REF-02)."""
    kinds: list[Iterable[tuple[str, YamlFile, Path]]] = []
    kinds += [
        ((name, at[0], at[1]) for name, at in known(project, GATEWAY, "connections").items()),
        ((name, at[0], at[1]) for name, at in known(project, GATEWAY, "sinks").items()),
        ((name, at[0], at[1]) for name, at in known(project, PLANT, "devices").items()),
        ((name, at[0], at[1]) for name, at in known(project, PLANT, "nodes").items()),
        ((name, at[0], at[1]) for name, at in known(project, CLIENTS, "clients").items()),
        ((name, at[0], at[1]) for name, at in _limit_ids(project)),
    ]
    kinds.extend(((name, at.file, ("signals", name)) for name in at.model.signals) for at in project.profiles.values())
    for kind in kinds:
        first: Known = {}
        for name, file, path in kind:
            seen = first.setdefault(_plain(name), (file, path))
            if seen != (file, path):
                where = f"{seen[0].name}:{seen[0].key_place(seen[1]).line}"
                place = file.place(path) if path == ("id",) else file.key_place(path)
                project.add(finding("REF-02", place, dotted(path), f"'{name}' is already used at {where}"))


def _limit_ids(project: Project) -> Iterator[tuple[str, tuple[YamlFile, Path]]]:
    """Yield every id of a limit set, also one that is there twice."""
    for at in project.limits:
        yield at.model.id, (at.file, ("id",))


def _nodes(project: Project) -> None:
    assert project.plant is not None, "called with a plant"
    file, nodes = project.file(PLANT), known(project, PLANT, "nodes")
    entries = project.plant.nodes
    for name, entry in entries.items():
        if entry.in_ is not None and need_name(project, file, ("nodes", name, "in"), "node", entry.in_, nodes):
            _no_cycle(project, file, name)
        if entry.room is not None and need_name(project, file, ("nodes", name, "room"), "node", entry.room, nodes):
            room = entries.get(entry.room)
            if room is not None and room.level != "room":
                path: Path = ("nodes", name, "room")
                message = f"'{entry.room}' is not a node of level room"
                project.add(finding("SCH-03", file.place(path), dotted(path), message))


def _no_cycle(project: Project, file: YamlFile, name: str) -> None:
    assert project.plant is not None, "called with a plant"
    at, steps = project.plant.nodes[name].in_, 0
    while at is not None and steps <= len(project.plant.nodes):
        if at == name:
            path: Path = ("nodes", name, "in")
            message = f"'{project.plant.nodes[name].in_}' is not above '{name}': it lies in it"
            project.add(finding("SCH-03", file.place(path), dotted(path), message))
            return
        entry = project.plant.nodes.get(at)
        at, steps = (entry.in_ if entry else None), steps + 1


def _devices(project: Project) -> None:
    assert project.plant is not None, "called with a plant"
    file = project.file(PLANT)
    nodes, connections = known(project, PLANT, "nodes"), known(project, GATEWAY, "connections")
    for device, entry in project.plant.devices.items():
        path: Path = ("devices", device)
        has_connection = need_name(project, file, (*path, "connection"), "connection", entry.connection, connections)
        need_name(project, file, (*path, "node"), "node", entry.node, nodes)
        for signal, node in entry.signal_nodes.items():
            need_name(project, file, (*path, "signal_nodes", signal), "node", node, nodes)
        _profile(project, file, device, has_connection=has_connection)


def _profile(project: Project, file: YamlFile, device: str, *, has_connection: bool) -> None:
    """The profile exists in that version, fits the connection, and all its names are right."""
    assert project.plant is not None, "called with a plant"
    entry, path = project.plant.devices[device], ("devices", device)
    profile = project.profiles.get(entry.profile)
    if profile is None:
        if entry.profile.partition("@")[0] not in project.broken_profiles:
            message = f"{entry.profile} is neither on disk nor approved"
            near = nearest(entry.profile.partition("@")[0], project.profile_ids)
            if near is not None and near != entry.profile.partition("@")[0]:
                message += did_you_mean(near)
            place = file.place((*path, "profile"))
            project.add(finding("REF-04", place, dotted((*path, "profile")), message, suggestion=near))
        return
    signals: Known = {name: (profile.file, ("signals", name)) for name in profile.model.signals}
    for block in ("signal_nodes", "calibration"):
        for signal in getattr(entry, block):
            need_name(project, file, (*path, block, signal), "signal", signal, signals, at_key=True)
    check_parameters(project, file, device, profile.model)
    if has_connection and project.gateway is not None:
        connection = project.gateway.connections[entry.connection]
        needed = "mqtt" if profile.model.binding == "sparkplug" else profile.model.binding
        if connection.kind not in {needed, "replay"}:
            message = f"profile needs {needed}, connection '{entry.connection}' is {connection.kind}"
            project.add(finding("REF-05", file.place((*path, "connection")), dotted((*path, "connection")), message))
        _publishing(project, profile, connection)


def _publishing(project: Project, profile: ProfileAt, connection: Connection) -> None:
    """A server that publishes slower than its keep-alive looks dead between two messages."""
    binding = profile.model.opcua
    if binding is None or connection.opcua is None or binding.publishing_ms <= connection.opcua.keepalive_s * 1000:
        return
    path: Path = ("opcua", "publishing_ms")
    message = f"{binding.publishing_ms} is not at most keepalive_s of its connection, {connection.opcua.keepalive_s} s"
    project.add(finding("SCH-03", profile.file.place(path), dotted(path), message))


def _read_twice(project: Project, found: list[Point]) -> None:
    """A topic or node belongs to one device (REF-06)."""
    file = project.file(PLANT)
    first: dict[tuple[str, str], str] = {}
    told: set[tuple[str, str]] = set()
    for point in found:
        sparkplug = point.profile.model.sparkplug is not None
        what = point.topic if point.topic is not None and not sparkplug else point.address
        owner = first.setdefault((point.entry.connection, what), point.device)
        same_device_twice = owner == point.device
        if same_device_twice or (point.device, what) in told:
            continue
        told.add((point.device, what))
        message = f"{what} is already read by {owner}"
        project.add(finding("REF-06", file.key_place(point.plant_path), dotted(point.plant_path), message))


def _limits(project: Project, at: LimitsAt) -> None:
    signals = known_signals(project)
    sinks = known(project, GATEWAY, "sinks")
    if at.model.client is not None:
        need_name(project, at.file, ("client",), "client", at.model.client, known(project, CLIENTS, "clients"))
    for name, rule in at.model.rules.items():
        for path, signal, at_key in _rule_signals(("rules", name), rule):
            if _is_undecided(project, signal):
                continue
            need_name(project, at.file, path, "signal", signal, signals, at_key=at_key)
        path = ("rules", name, "deviation", "sink")
        if need_name(project, at.file, path, "sink", rule.deviation.sink, sinks) and project.gateway is not None:
            sink = project.gateway.sinks[rule.deviation.sink]
            if sink.qms is None:
                message = f"'{rule.deviation.sink}' is not a qms sink"
                project.add(finding("SCH-03", at.file.place(path), dotted(path), message))
    for name, baseline in at.model.baselines.items():
        need_name(project, at.file, ("baselines", name, "signal"), "signal", baseline.signal, signals)


def _is_undecided(project: Project, signal: str) -> bool:
    """Tell whether the device is there but its profile is not understood: that has its own finding."""
    entry = project.plant.devices.get(signal.partition("/")[0]) if project.plant else None
    return entry is not None and entry.profile not in project.profiles


def _rule_signals(path: Path, rule: RuleBlock) -> Iterator[tuple[Path, str, bool]]:
    """Yield every signal a rule names: where, which, and whether it stands as a key."""
    for block in ("signals", "caused_by"):
        for index, signal in enumerate(getattr(rule, block)):
            yield (*path, block, index), signal, False
    for block in ("when", "suppress_when"):
        for signal in getattr(rule, block):
            yield (*path, block, signal), signal, True
    if rule.door is not None:
        yield (*path, "door"), rule.door, False


def _clients(project: Project) -> None:
    assert project.clients is not None, "called with clients"
    file, sinks, limits = project.file(CLIENTS), known(project, GATEWAY, "sinks"), known_limits(project)
    witnesses = known(project, GATEWAY, "witnesses")
    for key, entry in project.clients.clients.items():
        path: Path = ("clients", key)
        for index, name in enumerate(entry.limits):
            need_name(project, file, (*path, "limits", index), "limit set", name, limits)
        for index, name in enumerate(entry.sinks):
            need_name(project, file, (*path, "sinks", index), "sink", name, sinks)
        if entry.witness is not None:
            need_name(project, file, (*path, "witness"), "witness", entry.witness, witnesses)


def _services(project: Project) -> None:
    assert project.gateway is not None, "called with a gateway"
    file, connections = project.file(GATEWAY), known(project, GATEWAY, "connections")
    if project.gateway.notices.mqtt is not None:
        name = project.gateway.notices.mqtt.connection
        need_name(project, file, ("notices", "mqtt", "connection"), "connection", name, connections)
    for id_, adapter in project.gateway.batch.adapters.items():
        if adapter.connection is not None:
            path: Path = ("batch", "adapters", id_, "connection")
            need_name(project, file, path, "connection", adapter.connection, connections)
