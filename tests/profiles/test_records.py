"""A message with several records: conditions look at their own record and no other."""

from __future__ import annotations

import json

from gateway.config.capture import read_capture
from gateway.config.project import Project, open_profile
from tests.profiles.cutter import cut_mqtt, read_time

PROFILE = b"""\
format: profile/1
id: x/y
version: 1
title: Counter that sends several samples
mqtt: {routes: {main: {topic: pc, records: list, valid_when: [{signal: flow, min: 1}]}}}
defaults: {kind: analog, type: number, acquire: {expected_s: 60}, use: {criticality: info, relevance: none}}
signals:
  n: {title: Count, address: n, units: '{#}'}
  flow: {title: Flow, address: flow, units: L/min}
"""


def test_di_01_conditions_look_at_their_own_record():
    profile = open_profile(Project(contents={"device_profiles/x/y/profile.yaml": PROFILE}), "x/y")
    payload = {"list": [{"n": 5.5, "flow": 2.5}, {"n": 0.5, "flow": 0.5}, {"n": 7.5, "flow": 3.5}]}
    line = {"received": "2026-11-22T07:25:00Z", "mqtt": {"topic": "pc", "payload": json.dumps(payload)}}
    found = list(read_capture(profile, json.dumps(line).encode(), cut_mqtt, read_time))
    assert [(one.signal, one.decoded.value) for one in found] == [
        ("n", 5.5),
        ("flow", 2.5),
        ("n", None),
        ("flow", 0.5),
        ("n", 7.5),
        ("flow", 3.5),
    ]
