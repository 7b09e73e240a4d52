"""Batch adapters: what an MQTT adapter needs, and that its paths, states and nodes mean something (SCH-02, SCH-03, MAP, REF)."""

from __future__ import annotations

import re

from gateway.config.findings import finding
from gateway.config.models.people import BatchAdapter
from gateway.config.nearest import did_you_mean, nearest
from gateway.config.payload_path import path_problem
from gateway.config.project import GATEWAY, PLANT, Project
from gateway.config.rules.references import known, need_name
from gateway.config.yaml_file import Path, YamlFile, dotted
from gateway.domain.batch_states import BatchAct

_HEADER_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_NEEDED = {"batch_id": "path of the batch id", "event": "path of what happened"}


def check_batch_adapters(project: Project) -> None:
    """Run the family; kinds that are not built yet are told, not silently left unread."""
    if project.gateway is None:
        return
    topics: dict[tuple[str | None, str], str] = {}
    for id_, adapter in project.gateway.batch.adapters.items():
        file, path = project.file(GATEWAY), ("batch", "adapters", id_)
        if adapter.kind != "mqtt":
            message = f"kind {adapter.kind} is not read by this version: use mqtt, REST or the command"
            project.add(finding("SCH-03", file.place((*path, "kind")), dotted((*path, "kind")), message))
            continue
        _mqtt(project, file, path, adapter)
        if adapter.topic is not None:
            other = topics.setdefault((adapter.connection, adapter.topic), id_)
            if other != id_:
                at = (*path, "topic")
                message = f"topic '{adapter.topic}' is already read by '{other}'"
                project.add(finding("REF-06", file.place(at), dotted(at), message))


def _mqtt(project: Project, file: YamlFile, path: Path, adapter: BatchAdapter) -> None:
    _topics(project, file, path, adapter)
    _paths(project, file, path, adapter)
    for state, act in adapter.states.items():
        if act not in _ACTS:
            at, near = (*path, "states", state), nearest(act, _ACTS)
            message = f"'{act}' is no batch event{did_you_mean(near)}"
            project.add(finding("SCH-03", file.place(at), dotted(at), message, suggestion=near))
    nodes = known(project, PLANT, "nodes")
    for name, node in adapter.nodes.items():
        need_name(project, file, (*path, "nodes", name), "node", node, nodes)


def _topics(project: Project, file: YamlFile, path: Path, adapter: BatchAdapter) -> None:
    entry = None if project.gateway is None else project.gateway.connections.get(adapter.connection or "")
    wrong: list[tuple[str, str]] = []
    if adapter.topic is not None and not _plain_topic(adapter.topic):
        wrong.append(("topic", f"'{adapter.topic}' is not one topic without wildcard"))
    if adapter.reply is not None and (not _plain_topic(adapter.reply) or adapter.reply == adapter.topic):
        wrong.append(("reply", f"'{adapter.reply}' is not another topic without wildcard"))
    if entry is not None and entry.mqtt is None:
        wrong.append(("connection", f"'{adapter.connection}' is no MQTT connection"))
    for key, message in wrong:
        project.add(finding("SCH-03", file.place((*path, key)), dotted((*path, key)), message))


def _paths(project: Project, file: YamlFile, path: Path, adapter: BatchAdapter) -> None:
    for name, meaning in _NEEDED.items():
        if name not in adapter.paths:
            place = file.key_place((*path, "paths") if adapter.paths else path)
            message = f"missing key '{name}': {meaning}"
            project.add(finding("SCH-02", place, dotted((*path, "paths", name)), message))
    for name, text in adapter.paths.items():
        at = (*path, "paths", name)
        if _HEADER_FIELD.fullmatch(name) is None:
            message = f"'{name}' is no field name: small letters, digits and _"
            project.add(finding("SCH-03", file.key_place(at), dotted(at), message))
        problem = path_problem(text)
        if problem is not None:
            project.add(finding(problem.id, file.place(at), dotted(at), problem.message))


def _plain_topic(topic: str) -> bool:
    return not set(topic) & {"+", "#", "\0"} and not topic.startswith("$")


_ACTS = {act.value: None for act in BatchAct if act is not BatchAct.AMEND}
"""What the plant may tell; an amendment is a person's."""
