"""The catalogue of broken files: one change to the worked example, and exactly what is said about it and where."""

from __future__ import annotations

import pytest

from gateway.config.findings import format_finding
from gateway.config.load import understand
from tests.config.example import (
    CLIENTS,
    COUNTER,
    EDGE,
    GATEWAY,
    LIMITS,
    PLANT,
    REACTOR,
    ROOM,
    changed,
    example,
    seen,
)

ONE_CHANGE = [
    # YAML
    (
        PLANT,
        "serial: E-5521",
        "serial: E-5521, serial: x",
        "YML-01",
        10,
        121,
        "duplicate key 'serial', first on line 10",
    ),
    (PLANT, "nodes:  ", "nodes: {}\nnodes:  ", "YML-01", 3, 1, "duplicate key 'nodes', first on line 2"),
    (PLANT, "name: Upstream", "name: Up: stream", "YML-02", 3, 30, None),
    (PLANT, "  USP:", "\tUSP:", "YML-02", 3, 1, None),
    (PLANT, "{level: area", "&a {level: area", "YML-03", 3, 8, "anchors and tags are not allowed"),
    (LIMITS, "version: 4", "version: !!int 4", "YML-03", 3, 10, "anchors and tags are not allowed"),
    (LIMITS, "hysteresis: 0.1", "hysteresis: *x", "YML-03", 14, 17, "anchors and tags are not allowed"),
    (
        LIMITS,
        "format: limits/1",
        "%YAML 1.1\n---\nformat: limits/1",
        "YML-02",
        1,
        1,
        "not YAML 1.2: directives are not allowed",
    ),
    # form
    (
        GATEWAY,
        "approval: required",
        "aproval: required",
        "SCH-01",
        4,
        22,
        "unknown key 'aproval' - did you mean 'approval'?",
    ),
    (GATEWAY, "servers:", "server:", "SCH-01", 7, 9, "unknown key 'server' - did you mean 'servers'?"),
    (PLANT, "serial: E-5521", "seriel: E-5521", "SCH-01", 10, 105, "unknown key 'seriel' - did you mean 'serial'?"),
    (LIMITS, "on_delay_s: 60", "on_delay: 60", "SCH-01", 15, 5, "unknown key 'on_delay' - did you mean 'on_delay_s'?"),
    (LIMITS, "high: {alert", "high: {alart", "SCH-01", 13, 12, "unknown key 'alart' - did you mean 'alert'?"),
    (
        REACTOR,
        "acquire: {expected_s",
        "acqire: {expected_s",
        "SCH-01",
        8,
        39,
        "unknown key 'acqire' - did you mean 'acquire'?",
    ),
    (
        REACTOR,
        "quality: {instrument_range",
        "quality: {instument_range",
        "SCH-01",
        10,
        115,
        "unknown key 'instument_range' - did you mean 'instrument_range'?",
    ),
    (GATEWAY, "witnesses: {hq", "zzz: {hq", "SCH-01", 15, 1, "unknown key 'zzz'"),
    (PLANT, ", serial: E-5521", "", "SCH-02", 10, 3, "missing key 'serial': Serial number"),
    (
        GATEWAY,
        "timezone: Europe/Zurich",
        "timezone: Europe/Zürich",
        "SCH-03",
        3,
        50,
        "'Europe/Zürich' is not an IANA time zone",
    ),
    (
        GATEWAY,
        "timezone: Europe/Zurich",
        "timezone: ../../etc/passwd",
        "SCH-03",
        3,
        50,
        "'../../etc/passwd' is not an IANA time zone",
    ),
    (
        GATEWAY,
        "servers: [ntp1.example, ntp2.example]",
        "error_ms_max: 5",
        "SCH-03",
        7,
        23,
        "5 is not a whole number 10..60000",
    ),
    (
        GATEWAY,
        "servers: [ntp1.example, ntp2.example]",
        "error_ms_max: 50.0",
        "SCH-03",
        7,
        23,
        "50.0 is not a whole number 10..60000",
    ),
    (
        GATEWAY,
        "servers: [ntp1.example, ntp2.example]",
        "error_ms_max: '50'",
        "SCH-03",
        7,
        23,
        "'50' is not a whole number 10..60000",
    ),
    (GATEWAY, "approval: required", "approval: yes", "SCH-03", 4, 32, "'yes' is not required or off"),
    (
        PLANT,
        "level: area",
        "level: aera",
        "SCH-03",
        3,
        16,
        "'aera' is not area, process_cell, unit, equipment_module, control_module or room",
    ),
    (PLANT, "due: 2027-03-02", "due: 2027-02-30", "SCH-03", 9, 81, "'2027-02-30' is not a day YYYY-MM-DD"),
    (PLANT, "due: 2027-03-02", "due: 02.03.2027", "SCH-03", 9, 81, "'02.03.2027' is not a day YYYY-MM-DD"),
    (
        PLANT,
        "as_found: pass",
        "as_found: fail",
        "SCH-02",
        9,
        20,
        "missing key 'last_good': as_found fail lists the batches since then",
    ),
    (
        PLANT,
        "correction: {offset: -0.02}",
        "correction: {}",
        "SCH-02",
        9,
        134,
        "missing key: exactly one of offset, table",
    ),
    (
        PLANT,
        "correction: {offset: -0.02}",
        "correction: {table: [[1, 1], [1, 2]]}",
        "SCH-03",
        9,
        154,
        "a list is not 2..50 rising [reading, true] pairs",
    ),
    (
        LIMITS,
        "revision: '7'",
        "revision: 7",
        "SCH-03",
        5,
        41,
        "7 is not a text of 1..1000 characters: put it in quotes",
    ),
    (LIMITS, "version: 4", "version: 0", "SCH-03", 3, 10, "0 is not a whole number 1..999999"),
    (LIMITS, "alert: 36.5", "alert: '36.5'", "SCH-03", 12, 18, "'36.5' is not a number"),
    (LIMITS, "alert: 36.5", "alert: NO", "SCH-03", 12, 18, "'NO' is not a number"),
    (LIMITS, "alert: 36.5", "alert: .nan", "SCH-03", 12, 18, "'.nan' is not a number"),
    (
        LIMITS,
        "low: {alert: 36.5, action: 36.2}",
        "low:",
        "SCH-03",
        12,
        5,
        "nothing is not a value: give one or leave the key out",
    ),
    (LIMITS, "signals: [BR-201-CTL/temp]", "signals: []", "SCH-03", 8, 14, "a list of 0 is not a list of 1 or more"),
    (
        LIMITS,
        "signals: [BR-201-CTL/temp]",
        "signals: BR-201-CTL/temp",
        "SCH-03",
        8,
        14,
        "'BR-201-CTL/temp' is not a list",
    ),
    (
        LIMITS,
        "format: limits/1",
        "format: limits/2",
        "SCH-04",
        1,
        9,
        "format 'limits/2' is newer than 'limits/1': update the gateway",
    ),
    (LIMITS, "format: limits/1", "format: plant/1", "SCH-03", 1, 9, "'plant/1' is not limits/1"),
    (PLANT, "EDGE-7:", "edge-7:", "SCH-03", 12, 3, "'edge-7' is not an id: 2 to 48 of A-Z 0-9 _ -"),
    (REACTOR, "version: 2", "version: 3", "REF-04", 8, 15, None),
    (
        REACTOR,
        "change: stirrer added\n",
        "",
        "SCH-02",
        1,
        1,
        "missing key 'change': version 2 and later say what changed",
    ),
    (
        GATEWAY,
        "line1: {opcua: {",
        "line1: {mqtt: {url: mqtts://x}, opcua: {",
        "SCH-03",
        9,
        10,
        "opcua, mqtt is not exactly one of opcua, mqtt, replay",
    ),
    (
        GATEWAY,
        "org: basel, ",
        "",
        "SCH-02",
        14,
        12,
        "missing key 'org': api v2 writes into a bucket of an organisation with a token",
    ),
    (
        GATEWAY,
        ", qa_contact: qa@plant.example",
        "",
        "SCH-02",
        18,
        1,
        "missing key 'qa_contact': needed unless approval is off",
    ),
    (
        GATEWAY,
        "certificate: trust/web.pem, ",
        "",
        "SCH-02",
        11,
        1,
        "missing key 'certificate': a page beyond loopback needs TLS",
    ),
    (
        GATEWAY,
        "accounts: {",
        "accounts: {totp_roles: [approver], ",
        "SCH-03",
        18,
        24,
        "a list is not a list with approver and administrator in it",
    ),
    (
        GATEWAY,
        "server_certificate: trust/line1.der",
        "keepalive_s: 1, mode: None, server_certificate: trust/line1.der",
        "SEC-03",
        9,
        104,
        "None is refused (with approval off: on loopback)",
    ),
    (
        REACTOR,
        "history: raw",
        "history: raw, publishing_ms: 5001",
        "SCH-03",
        7,
        75,
        "5001 is not a whole number 50..5000",
    ),
    (LIMITS, "hysteresis: 0.1", "evaluate: open\n    hysteresis: 0.1", "LIM-20", 7, 3, "temp: open needs open_max_s"),
    (
        LIMITS,
        "hysteresis: 0.1",
        "evaluate: mean\n    window_s: 60\n    hysteresis: 0.1",
        "SCH-03",
        14,
        15,
        "'mean' is not each: not judged by this version",
    ),
    (
        LIMITS,
        "hysteresis: 0.1",
        "evaluate: n_of_m\n    n: 4\n    m: 3\n    max_age_s: 60\n    hysteresis: 0.1",
        "LIM-24",
        15,
        8,
        "n 4 must be 1..m, m 1..64",
    ),
    (
        LIMITS,
        "high: {alert: 37.5, action: 37.8}\n",
        "high: {alert: 37.5, critical: 37.9}\n    off_delay_s: 3601\n",
        "SCH-03",
        14,
        18,
        "3601 is not a whole number 0..3600",
    ),
    (
        LIMITS,
        "action: 37.8}\n    hysteresis: 0.1\n    on_delay_s: 60",
        "critical: 37.9}\n    on_delay_s: 61",
        "LIM-22",
        14,
        17,
        "critical on_delay_s 61 exceeds 60",
    ),
    (
        ROOM,
        "kind: state, type: boolean",
        "kind: event, type: boolean",
        "MAP-04",
        12,
        57,
        "type does not apply to kind event",
    ),
    (EDGE, "type: float, ", "", "SCH-02", 10, 3, "missing key 'type': type on the wire"),
    (EDGE, "type: float", "type: boolean", "MAP-04", 10, 59, "kind analog does not apply to type boolean"),
    (EDGE, ", units: '{rev}/min'}", "}", "SCH-02", 10, 3, "missing key 'units': unit that is recorded"),
    (
        EDGE,
        "kind: state, type: uint16",
        "kind: text, type: uint16",
        "MAP-04",
        11,
        58,
        "kind text does not apply to type uint16",
    ),
    (ROOM, "{true: open, false", "{on: open, false", "SCH-03", 12, 83, "'on' is not true or false"),
    (EDGE, "0: stopped", "zero: stopped", "SCH-03", 11, 120, "'zero' is not a whole number"),
    (
        ROOM,
        "address: door",
        "address: door, quality: {sentinels: [1]}",
        "MAP-04",
        12,
        59,
        "sentinels does not apply to type boolean",
    ),
    (ROOM, "sentinels: [-127, 327.67]", "path: 'q['", "MAP-01", 9, 70, None),
    (COUNTER, "signal: flow", "signal: flwo", "REF-01", 7, 25, "no signal 'flwo' - did you mean 'flow'?"),
    (
        COUNTER,
        "address: flow,",
        "address: flow, quality: {valid_when: [{signal: laser, is: ok}]},",
        "SCH-03",
        7,
        25,
        "'flow' is not a signal without valid_when of its own",
    ),
    (COUNTER, "{signal: laser, is: ok}", "{signal: laser}", "SCH-02", 7, 54, None),
    (
        REACTOR,
        "s={root}.Temp",
        "ns=2;s={root}.Temp",
        "SCH-03",
        10,
        46,
        "'ns=2;s={root}.Temp' is not s=, i=, g=, b=, nsu= or path:/ (ns= changes)",
    ),
    (REACTOR, "s={root}.Temp", "{root}.Temp", "SCH-03", 10, 46, "'{root}.Temp' is not s=, i=, g=, b=, nsu= or path:/"),
    (ROOM, "address: rh", "address: rh, route: man", "REF-01", 10, 45, "no route 'man' - did you mean 'main'?"),
    (ROOM, "env/{room}/sensor", "env/+/sensor", "SCH-03", 6, 31, "'env/+/sensor' is not a topic without wildcard"),
    (ROOM, "time: {path: at, ", "time: {", "SCH-02", 6, 52, "missing key 'path': where the time is"),
    (ROOM, "'[a-z0-9-]{1,32}'", "'[a-z'", "SCH-03", 5, 16, None),
    (ROOM, "units: Cel", "units: {record: Cel, check: 'u['}", "MAP-01", 9, 70, None),
    (
        ROOM,
        "instrument_range: [0, 100]",
        "instrument_range: [100, 0]",
        "SCH-03",
        10,
        82,
        "a list is not a rising [low, high]",
    ),
    (ROOM, "address: rh", "address: rh, map: {scale: 0}", "SCH-03", 10, 51, "0 is not a number other than 0"),
    (GATEWAY, "user: gw, ", "", "SCH-02", 9, 11, "missing key 'user': it goes with password"),
    (
        GATEWAY,
        "ca: trust/ca.pem, certificate: trust/gw",
        "certificate: trust/gw",
        "SCH-02",
        10,
        11,
        "missing key 'ca': authority of the broker",
    ),
    (
        GATEWAY,
        "server_certificate: trust/line1.der",
        "keepalive_s: 5",
        "SCH-02",
        9,
        11,
        "missing key 'server_certificate': the server's certificate, pinned",
    ),
    (GATEWAY, "label: gw-01, ", "", "SCH-02", 6, 33, "missing key 'label': a key in a device has a label and a PIN"),
    (
        GATEWAY,
        "accounts: {",
        "batch: {completeness_min_pct: 99}\naccounts: {",
        "SCH-02",
        18,
        1,
        "missing key 'completeness_reason': less than 100 percent needs a reason",
    ),
    (
        GATEWAY,
        "accounts: {",
        "batch: {adapters: {mes: {kind: mqtt, connection: plnt}}}\naccounts: {",
        "REF-01",
        18,
        50,
        "no connection 'plnt' - did you mean 'plant'? (config/gateway.yaml:10)",
    ),
    (
        GATEWAY,
        "accounts: {",
        "notices: {mqtt: {connection: plnt, topic: x}}\naccounts: {",
        "REF-01",
        18,
        30,
        "no connection 'plnt' - did you mean 'plant'? (config/gateway.yaml:10)",
    ),
    (
        GATEWAY,
        "accounts: {",
        "telemetry: {listen: '0.0.0.0:9420'}\naccounts: {",
        "SCH-02",
        18,
        1,
        "missing key 'certificate': telemetry beyond loopback needs TLS and client certificates",
    ),
    (GATEWAY, "listen: 0.0.0.0:8443", "listen: 8443", "SCH-03", 11, 16, "8443 is not host:port"),
    (GATEWAY, "listen: 0.0.0.0:8443", "listen: true", "SCH-03", 11, 16, "true is not host:port"),
    (
        LIMITS,
        "    unit: Cel                 # typed again on purpose\n",
        "",
        "SCH-02",
        7,
        3,
        "missing key 'unit': unit of the limits, typed again on purpose",
    ),
    # references
    (
        PLANT,
        "node: BR-201, params: {root",
        "node: BR-210, params: {root",
        "REF-01",
        8,
        68,
        "no node 'BR-210' - did you mean 'BR-201'? (config/plant.yaml:5)",
    ),
    (
        PLANT,
        "in: USP, grade: C",
        "in: UPS, grade: C",
        "REF-01",
        4,
        48,
        "no node 'UPS' - did you mean 'USP'? (config/plant.yaml:3)",
    ),
    (
        PLANT,
        "{temp: {certificate",
        "{tmp: {certificate",
        "REF-01",
        9,
        20,
        "no signal 'tmp' - did you mean 'temp'? (device_profiles/generic/opcua-bioreactor/profile.yaml:10)",
    ),
    (
        LIMITS,
        "[BR-201-CTL/temp]",
        "[BR-201-CTL/tenp]",
        "REF-01",
        8,
        15,
        "no signal 'BR-201-CTL/tenp' - did you mean 'BR-201-CTL/temp'? (config/plant.yaml:7)",
    ),
    (
        LIMITS,
        "sink: main",
        "sink: mian",
        "REF-01",
        18,
        23,
        "no sink 'mian' - did you mean 'main'? (config/gateway.yaml:13)",
    ),
    (LIMITS, "sink: main", "sink: trends", "SCH-03", 18, 23, "'trends' is not a qms sink"),
    (
        CLIENTS,
        "limits: [BR-201-GROWTH]",
        "limits: [BR-201-GROTH]",
        "REF-01",
        3,
        115,
        "no limit set 'BR-201-GROTH' - did you mean 'BR-201-GROWTH'? (config/limits/BR-201-GROWTH.yaml:2)",
    ),
    (
        CLIENTS,
        "witness: hq",
        "witness: hg",
        "REF-01",
        3,
        155,
        "no witness 'hg' - did you mean 'hq'? (config/gateway.yaml:15)",
    ),
    (PLANT, "  EDGE-7:", "  R204-ENV:", "REF-02", 12, 3, "'R204-ENV' is already used at config/plant.yaml:10"),
    (PLANT, "params: {room: r-204}", "params: {}", "REF-03", 10, 82, "parameter 'room' missing"),
    (
        PLANT,
        "params: {room: r-204}",
        "params: {rom: r-204, room: r-1}",
        "REF-03",
        10,
        91,
        "parameter 'rom' unknown - did you mean 'room'?",
    ),
    (PLANT, "params: {room: r-204}", "params: {room: 'a/#'}", "REF-03", 10, 97, "parameter 'room' not [a-z0-9-]{1,32}"),
    (ROOM, "env/{room}/sensor", "env/{rum}/sensor", "REF-03", 6, 31, "parameter 'rum' unknown - did you mean 'room'?"),
    (
        PLANT,
        "generic/mqtt-cleanroom@1",
        "generic/mqtt-cleanroom@2",
        "REF-04",
        10,
        24,
        "generic/mqtt-cleanroom@2 is neither on disk nor approved",
    ),
    (
        PLANT,
        "connection: line1",
        "connection: plant",
        "REF-05",
        8,
        55,
        "profile needs opcua, connection 'plant' is mqtt",
    ),
    (
        PLANT,
        "  EDGE-7:",
        "  R-9: {profile: generic/mqtt-cleanroom@1, connection: plant, node: R-204, params: {room: r-204}, serial: x}\n  EDGE-7:",
        "REF-06",
        12,
        3,
        "env/r-204/sensor is already read by R-204-ENV",
    ),
    (
        PLANT,
        "level: area, name: Upstream",
        "level: area, name: Upstream, in: BR-201",
        "SCH-03",
        3,
        42,
        "'BR-201' is not above 'USP': it lies in it",
    ),
    (PLANT, "room: R-204, qual", "room: USP, qual", "SCH-03", 5, 64, "'USP' is not a node of level room"),
    # units
    (REACTOR, "record: Cel", "record: °C", "UNT-01", 10, 79, "unknown unit '°C' - did you mean 'Cel'?"),
    (ROOM, "wire: mbar", "wire: hPa", "UNT-01", 11, 69, "unknown unit 'hPa' - did you mean 'mbar'?"),
    (REACTOR, "units: '{rev}/min'", "units: rpm", "UNT-01", 12, 72, "unknown unit 'rpm' - did you mean '{rev}/min'?"),
    (ROOM, "wire: mbar", "wire: Cel", "UNT-02", 11, 69, "cannot convert Cel (temperature) to Pa (pressure)"),
    (LIMITS, "unit: Cel", "unit: K", "UNT-03", 10, 11, "limit in K, BR-201-CTL/temp recorded in Cel"),
    # mapping
    (ROOM, "address: rh", "address: 'rh['", "MAP-01", 10, 34, None),
    (ROOM, "address: rh", "address: 'length(rh)'", "MAP-02", 10, 34, "a function is not allowed in a mapping"),
    (ROOM, "address: rh", "address: 'rh || t'", "MAP-02", 10, 34, "|| is not allowed in a mapping"),
    (COUNTER, "ch[?id==''0.5'']", "ch[?id>`5`]", "MAP-02", 10, 46, "the comparison gt is not allowed in a mapping"),
    (EDGE, "1: running, 2: fault", "1: running, 2: running", "MAP-03", 11, 141, "enum maps 1 and 2 to 'running'"),
    (EDGE, "type: float", "type: float, map: {mask: 3}", "MAP-04", 10, 92, "mask does not apply to type float"),
    (
        ROOM,
        "kind: state, type: boolean",
        "kind: state, units: '%', type: boolean",
        "MAP-04",
        12,
        58,
        "units does not apply to kind state",
    ),
    (
        ROOM,
        ", map: {enum: {true: open, false: closed}}",
        "",
        "SCH-02",
        12,
        3,
        "missing key 'enum': names of the states",
    ),
    (ROOM, "type: number", "type: float", "SCH-03", 7, 32, "'float' is not boolean, integer, number, string (mqtt)"),
    # limits
    (LIMITS, "action: 36.2", "action: 36.6", "LIM-01", 12, 32, "low action (36.6) must not be above low alert (36.5)"),
    (LIMITS, "alert: 37.5", "alert: 36.0", "LIM-01", 12, 18, "low alert (36.5) must not be above high alert (36.0)"),
    (LIMITS, "high: 38.0", "high: 37.0", "LIM-01", 13, 33, "high action (37.8) must not be above spec high (37.0)"),
    (
        LIMITS,
        "justification: Growth range of the cell bank, SPEC-0412",
        "justification: TBD",
        "LIM-02",
        17,
        20,
        "justification missing or says nothing",
    ),
    (
        LIMITS,
        "    justification: Growth range of the cell bank, SPEC-0412\n",
        "",
        "LIM-02",
        7,
        3,
        "justification missing or says nothing",
    ),
    (LIMITS, "    delay_reason: Sampling takes 40 s, PQ-118\n", "", "LIM-03", 15, 17, "a delay needs delay_reason"),
    (
        LIMITS,
        "hysteresis: 0.1",
        "hysteresis: 0.5",
        "LIM-04",
        14,
        17,
        "hysteresis 0.5 leaves no band between low alert and high alert",
    ),
    (
        LIMITS,
        "high: {alert: 37.5, action: 37.8}",
        "high: {alert: 37.5, critical: 61}",
        "LIM-05",
        13,
        35,
        "61 is outside the instrument range",
    ),
    (LIMITS, "hysteresis: 0.1", "evaluate: mkt\n    hysteresis: 0.1", "LIM-20", 7, 3, "temp: mkt needs window_h"),
    (
        LIMITS,
        "on_delay_s: 60",
        "on_delay_s: 61\n    assess: true",
        "LIM-28",
        17,
        19,
        "temp: a delay on a critical pressure difference must name the CCS",
    ),
    (LIMITS, "action: 37.8}", "critical: 37.9}\n    off_delay_s: 1", None, None, None, None),
    (
        LIMITS,
        "    on_delay_s: 60",
        "    door_cap_s: 30\n    on_delay_s: 60",
        "LIM-23",
        15,
        17,
        "door_cap_s 30 must lie between on_delay_s and 3600; door_recovery_s needs door_reference",
    ),
    # time, calibration, reduction
    (ROOM, "format: epoch_ms", "format: 'strptime:%Y-%m-%d %H:%M'", "TIM-01", 6, 77, "time text has no zone: add zone"),
    (PLANT, "due: 2027-03-02", "due: 2026-03-02", "CAL-02", 9, 81, "due is not after performed"),
    (
        EDGE,
        "relevance: cpp}",
        "relevance: cpp, record: on_change}",
        "RED-01",
        8,
        126,
        "reduction of speed needs a reason",
    ),
    (
        REACTOR,
        "{expected_s: 10}",
        "{expected_s: 10, deadband: {type: absolute, value: 1}}",
        "RED-01",
        8,
        75,
        "reduction of temp is refused: critical",
    ),
    (
        REACTOR,
        "{expected_s: 10}",
        "{expected_s: 10, stale_s: 21}",
        "SCH-03",
        8,
        74,
        "21 is not at most 20, twice expected_s (critical)",
    ),
    # security
    (GATEWAY, "password: cred:line1", "password: hunter2", "SEC-01", 9, 70, "a secret must be env:, file: or cred:"),
    (
        GATEWAY,
        "server_certificate: trust/line1.der",
        "policy: Basic256, server_certificate: trust/line1.der",
        "SEC-03",
        9,
        90,
        "Basic256 is refused (with approval off: on loopback)",
    ),
    (
        GATEWAY,
        "user: gw, password: cred:line1, ",
        "",
        "SEC-03",
        9,
        18,
        "anonymous is refused (with approval off: on loopback)",
    ),
    (
        GATEWAY,
        "url: mqtts://broker",
        "url: mqtt://broker",
        "SEC-03",
        10,
        23,
        "mqtt: is refused (with approval off: on loopback)",
    ),
    (
        GATEWAY,
        "url: https://qms",
        "url: http://qms",
        "SEC-03",
        13,
        21,
        "http: is refused (with approval off: on loopback)",
    ),
    (GATEWAY, "url: https://qms", "url: https://me:pw@qms", "SEC-04", 13, 21, "URL holds a password"),
    (
        GATEWAY,
        "approval: required",
        "approval: off",
        "LCY-03",
        4,
        32,
        "approval off needs a ledger born with it (origin ends in -dev)",
    ),
    (
        GATEWAY,
        "basel/gw-01}",
        "basel/gw-01-dev}",
        "LCY-03",
        5,
        49,
        "approval off needs a ledger born with it (origin ends in -dev)",
    ),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "id_", "line", "column", "message"),
    ONE_CHANGE,
    ids=[f"{row[3]}-{index}" for index, row in enumerate(ONE_CHANGE)],
)
def test_one_change_is_named_at_its_place(file, old, new, id_, line, column, message):
    found = seen(changed((file, old, new)))
    if id_ is None:
        assert found == []
        return
    where = PLANT if id_ == "REF-04" else file
    match = [one for one in found if one[:2] == (id_, where) and message in {None, one[4]}]
    assert match, found
    assert (match[0][2], match[0][3]) == (line, column)


def test_the_catalogue_is_long_enough():
    assert len(ONE_CHANGE) >= 40


def test_a_typo_in_defaults_is_told_once_where_it_stands():
    found = seen(changed((REACTOR, "acquire: {expected_s", "acquire: {expekted_s")))
    assert [one[:4] for one in found if one[0] == "SCH-01"] == [("SCH-01", REACTOR, 8, 49)]


def test_a_key_of_the_signal_wins_over_defaults():
    plan = changed((ROOM, "units: Cel,", "units: Cel, acquire: {expected_s: 30},")).plan
    assert plan.signals["R-204-ENV/temp"].expected_ns == 30 * 10**9
    assert plan.signals["R-204-ENV/rh"].expected_ns == 60 * 10**9


def test_two_sets_that_set_the_same_limit_in_the_same_phase():
    files = example()
    files["config/limits/X-1.yaml"] = (
        files[LIMITS].replace(b"id: BR-201-GROWTH", b"id: X-1").replace(b"[growth]", b"[growth, harvest]")
    )
    messages = [found.message for found in understand(files).findings if found.id == "LIM-06"]
    assert messages[0] == ("BR-201-GROWTH.temp and X-1.temp both set low alert of each for BR-201-CTL/temp in growth")
    assert len(messages) == 4


@pytest.mark.parametrize("change", [(b"[growth]", b"[harvest]"), (b"phases:", b"client: C-014\nphases:")])
def test_two_sets_in_other_phases_or_of_a_client_do_not_meet(change):
    files = example()
    second = files[LIMITS].replace(b"id: BR-201-GROWTH", b"id: X-1")
    if change[0] == b"[growth]":
        second = second.replace(*change)
    else:
        second = second.replace(b"version: 4", b"version: 4\nclient: C-014")
    files["config/limits/X-1.yaml"] = second
    assert [found for found in understand(files).findings if found.id == "LIM-06"] == []


def test_rules_that_exclude_each_other_by_state_do_not_meet():
    files = example()
    door = b"when: {R-204-ENV/door: open}\n    unit: Cel"
    files["config/limits/X-1.yaml"] = (
        files[LIMITS].replace(b"id: BR-201-GROWTH", b"id: X-1").replace(b"unit: Cel", door.replace(b"open", b"closed"))
    )
    files[LIMITS] = files[LIMITS].replace(b"unit: Cel", door)
    assert [found for found in understand(files).findings if found.id in {"LIM-06", "REF-01"}] == []


def test_limit_sets_share_no_id():
    files = example()
    files["config/limits/copy.yaml"] = (
        files[LIMITS].replace(b"BR-201-GROWTH", b"BR201-GROWTH").replace(b"[growth]", b"[other]")
    )
    messages = [found.message for found in understand(files).findings if found.id == "REF-02"]
    assert messages == ["'BR201-GROWTH' is already used at config/limits/BR-201-GROWTH.yaml:2"]


@pytest.mark.parametrize(
    ("expected_s", "message"),
    [("601", "one reading per 601 s: fewer than 6 an hour"), ("61", "one reading per 61 s: slower than on_delay_s")],
)
def test_slow_signals_are_named(expected_s, message):
    loaded = changed((REACTOR, "{expected_s: 10}", f"{{expected_s: {expected_s}}}"))
    assert [(found.severity, found.message) for found in loaded.findings if found.id == "LIM-08"] == [
        ("warning", message)
    ]


def test_signals_without_source_time_are_named():
    loaded = changed((ROOM, "time: {path: at, format: epoch_ms}, ", ""))
    found = {found.message for found in loaded.findings if found.id == "TIM-02"}
    assert found == {"no source time: received time only"}
    assert loaded.errors == ()


def test_qos_0_on_a_critical_signal_is_named():
    loaded = changed((ROOM, "sequence: n", "sequence: n, qos_expected: 0"))
    assert {found.message for found in loaded.findings if found.id == "PRO-04"} == {"QoS 0 on a critical signal"}


@pytest.mark.parametrize(
    ("content", "id_", "message"),
    [
        (b"\xef\xbb\xbfformat: plant/1\n", "YML-04", "byte order mark"),
        (b"format: plant/1\nnodes: {A: \xff}\n", "YML-04", "not UTF-8 at byte 27"),
        (b"#" * (256 * 1024 + 1), "YML-04", "257 kB, limit 256"),
        (b"", "YML-02", "not YAML 1.2: the file is empty"),
        (b"- a\n", "SCH-03", "a list is not a block of keys"),
        (b"a: " + b"[" * 2000 + b"]" * 2000, "YML-02", None),
        (b"? {a: b}\n: 1\n", "YML-02", "not YAML 1.2: a key must be text"),
        (b"a: 1\n---\nb: 1\n", "YML-02", None),
    ],
)
def test_bytes_that_are_no_configuration(content, id_, message):
    found = [one for one in understand(example() | {PLANT: content}).findings if one.file == PLANT]
    assert found[0].id == id_
    if message is not None:
        assert found[0].message == message


@pytest.mark.parametrize("name", [GATEWAY, PLANT])
def test_a_missing_file_is_named(name):
    files = example()
    del files[name]
    assert ("REF-01", name, 1, 1, f"no file '{name}'") in seen(understand(files))


def test_an_unknown_profile_version_is_named_at_the_device():
    found = seen(changed((REACTOR, "version: 2", "version: 3")))
    assert ("REF-04", PLANT, 8, 15, "generic/opcua-bioreactor@2 is neither on disk nor approved") in found


def test_a_profile_in_the_wrong_folder():
    found = seen(changed((REACTOR, "id: generic/opcua-bioreactor", "id: generic/opcua-bioreactors")))
    assert found[-1] == (
        "SCH-03",
        REACTOR,
        2,
        5,
        "'generic/opcua-bioreactors' is not 'generic/opcua-bioreactor', its folder",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("password: cred:line1", "password: hunter2"),
        ("password: cred:line1", "pasword: hunter2"),
        ("url: https://qms", "url: https://me:hunter2@qms"),
        ("secret: cred:qms", "secret: [hunter2]"),
    ],
)
def test_ac_a_secret_typed_in_the_open_is_shown_to_nobody(old, new):
    loaded = changed((GATEWAY, old, new))
    texts = [format_finding(found, loaded.source(found)) for found in loaded.findings]
    assert loaded.errors
    assert "hunter2" not in "\n".join(texts)


def test_a_server_must_publish_within_its_keep_alive():
    loaded = changed(
        {
            GATEWAY: ("server_certificate: trust/line1.der", "keepalive_s: 1, server_certificate: trust/line1.der"),
            REACTOR: ("history: raw", "history: raw, publishing_ms: 1001"),
        }
    )
    assert [one[4] for one in seen(loaded)] == ["1001 is not at most keepalive_s of its connection, 1 s"]


def test_mkt_is_refused_for_frozen_storage_and_flatline_for_reports_on_change():
    frozen = changed(
        {
            LIMITS: (
                "    low: {alert: 36.5, action: 36.2}\n    high: {alert: 37.5, action: 37.8}\n",
                "    evaluate: mkt\n    window_h: 24\n    high: {action: -15.0}\n",
            )
        }
    )
    assert "mkt is not defined for frozen storage (high -15.0 Cel)" in [one[4] for one in seen(frozen)]
    files = example()
    files[EDGE] = files[EDGE].replace(b"relevance: cpp}", b"relevance: cpp, record: on_change, reason: slow link}")
    files[LIMITS] = (
        files[LIMITS]
        .replace(b"[BR-201-CTL/temp]", b"[EDGE-7/speed]")
        .replace(b"unit: Cel ", b"unit: '{rev}/min' ")
        .replace(b"hysteresis", b"evaluate: flatline\n    epsilon: 1\n    hysteresis")
    )
    messages = {found.id: found.message for found in understand(files).findings}
    assert messages["LIM-27"] == "flatline on EDGE-7/speed: source reports on change, the rule would fire by design"


def test_a_baseline_that_hangs_on_its_last_value_is_named():
    block = """baselines:
  temp: {signal: BR-201-CTL/temp, period: [a, b], mu: 37, phi: 0.4, sigma: 0.1, n: 200, hash: HASH}
rules:""".replace("HASH", "a" * 64)
    loaded = changed((LIMITS, "rules:", block))
    assert [(found.severity, found.message) for found in loaded.findings if found.id == "LIM-26"] == [
        ("warning", "baseline of BR-201-CTL/temp has phi 0.4: use residuals")
    ]
