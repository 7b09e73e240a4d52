from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from fractions import Fraction

from gateway.config.check import format_report, report
from gateway.config.findings import format_finding
from gateway.config.load import understand
from tests.config.example import LIMITS, PLANT, changed, example, seen

TODAY = date(2026, 11, 24)


def test_the_worked_example_has_no_error_and_the_two_known_warnings():
    loaded = understand(example(), today=TODAY)
    assert Counter(found.id for found in loaded.findings) == {"CAL-01": 7, "LIM-07": 10}
    assert loaded.errors == ()
    assert loaded.plan is not None


def test_di_11_the_plan_says_everything_from_wire_to_record():
    plan = understand(example()).plan
    temp = plan.signals["BR-201-CTL/temp"]
    assert temp.address == "nsu=urn:example:bioreactor;s=BR201.Temp"
    assert (temp.unit, temp.wire_unit, temp.type, temp.measure) == ("Cel", "K", "float", "analog")
    assert temp.conversion.offset == Fraction("-273.15")
    assert temp.calibration.correction.offset == Decimal("-0.02")
    assert temp.acquire == {"expected_s": 10, "publishing_ms": 1000, "queue": 600, "sampling_ms": 1000}
    assert (temp.expected_ns, temp.stale_ns) == (10_000_000_000, 20_000_000_000)
    assert (temp.room, temp.reduction, temp.criticality) == ("R-204", "none", "critical")
    assert plan.signals["R-204-ENV/dp"].address == "env/r-204/sensor#dp"
    assert plan.signals["R-204-ENV/door"].enum == {"true": "open", "false": "closed"}
    assert [one.signal for one in plan.signals["R-204-PC/p05"].valid_when] == ["R-204-PC/flow", "R-204-PC/laser"]
    assert plan.signals["R-204-PC/flow"].valid_when == ()
    assert plan.signals["EDGE-7/state"].mask == 0x30
    assert plan.dev is False


def test_the_plan_names_what_each_connection_reads():
    plan = understand(example()).plan
    (mqtt,), (opcua,) = plan.mqtt, plan.opcua
    assert [route.topic for route in mqtt.routes] == ["env/r-204/sensor", "pc/pc7/sample"]
    assert mqtt.watch == ("env/#",)
    assert mqtt.routes[0].time.format == "epoch_ms"
    assert mqtt.routes[0].sequence == "n"
    assert [item.address.partition(";")[2] for item in opcua.items] == ["s=BR201.Temp", "s=BR201.DO", "s=BR201.N"]
    assert opcua.history
    assert {key for key, _signal in plan.by_address().items()} >= {("plant", "env/r-204/sensor#t")}


def test_limit_sets_keep_every_digit_that_was_typed():
    (growth,) = understand(example()).limit_sets
    (rule,) = growth.rules
    assert growth.name == "BR-201-GROWTH@4"
    assert str(rule.low.alert) == "36.5"
    assert str(rule.spec.high) == "38.0"
    assert (rule.phases, rule.hysteresis, rule.on_delay_s) == (("growth",), Decimal("0.1"), 60)


MODELINE = "# yaml-language-server: $schema=./schema/plant.schema.json\n"


def test_a_finding_reads_as_the_page_shows_it():
    files = example()
    text = MODELINE + files[PLANT].decode().replace("connection: plant", "connection: plnt", 1)
    files[PLANT] = text.encode()
    loaded = understand(files)
    (found,) = loaded.errors
    assert format_finding(found, loaded.source(found)) == (
        "config/plant.yaml:11:62  error  REF-01  devices.R-204-ENV.connection: "
        "no connection 'plnt' - did you mean 'plant'? (config/gateway.yaml:10)\n"
        "   11 |   R-204-ENV: {profile: generic/mqtt-cleanroom@1, connection: plnt, node: R-204, …\n"
        "      |                                                              ^^^^"
    )
    assert found.suggestion == "plant"
    checked = report(loaded)
    assert checked.exit == 78
    assert (
        format_report(loaded, checked, offline=True).splitlines()[-1] == "1 error, 17 warnings; environment not checked"
    )


def test_a_finding_far_to_the_right_shows_the_stretch_around_it():
    loaded = changed((PLANT, "params: {room: r-204}, serial: E-5521", "params: {room: R!}, serial: E-5521"))
    (found,) = loaded.errors
    first, line, caret = format_finding(found, loaded.source(found)).splitlines()
    assert first.endswith("parameter 'room' not [a-z0-9-]{1,32}")
    assert line[caret.index("^") :][:2] == "R!"
    assert caret.count("^") == 2
    assert len(line) <= 8 + 82


def test_all_findings_come_in_one_run_in_file_order():
    loaded = changed({PLANT: ("connection: plant", "connection: plnt"), LIMITS: ("unit: Cel", "unit: °C")})
    assert [found[0] for found in seen(loaded)] == ["UNT-01", "REF-01"]
    assert loaded.plan is None
    assert loaded.limit_sets == ()


def test_ca_calibrations_that_end_are_named():
    for today, message in (
        (date(2027, 3, 3), "calibration of BR-201-CTL/temp ended 2027-03-02"),
        (date(2027, 2, 28), "calibration of BR-201-CTL/temp ends in 2 days"),
        (date(2026, 12, 2), "calibration of BR-201-CTL/temp ends in 90 days"),
    ):
        messages = [found.message for found in understand(example(), today=today).findings if found.id == "CAL-03"]
        assert messages == [message]
    assert not [found for found in understand(example(), today=date(2026, 12, 1)).findings if found.id == "CAL-03"]
