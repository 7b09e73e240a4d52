from __future__ import annotations

import json
import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.decode import Decoded, Previous, _compile_general, companions_of, compile_decoder, decode
from gateway.domain.plan import CalibrationEntry, Correction, ValidWhen
from gateway.domain.sample import ABSENT, Quality, Raw
from gateway.domain.units import conversion
from tests.domain.plans import f32, f64, num, plan, sample

GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD


def _calibration(correction=None, due="2027-03-02"):
    return CalibrationEntry(
        certificate="CAL-1", performed="2026-03-02", due=due, laboratory="L", as_found="pass", correction=correction
    )


@pytest.mark.parametrize(
    ("declared", "raw", "value", "keeps_raw"),
    [
        ("double", f64(37.02), 37.02, False),
        ("float", Raw("f32", "439b1852"), 310.19, False),
        ("float", f32(8.1), 8.1, False),
        ("double", f64(-0.0), 0.0, True),
        ("double", f64(0.0), 0.0, False),
        ("float", f32(-0.0), 0.0, True),
        ("int32", Raw("i32", "250"), 250, False),
        ("int64", Raw("i64", "9007199254740991"), 9007199254740991, False),
        ("int64", Raw("i64", "-9007199254740992"), "-9007199254740992", True),
        ("uint64", Raw("u64", "18446744073709551615"), "18446744073709551615", True),
        ("number", num("20.31"), 20.31, False),
        ("number", num("20.30"), 20.3, True),
        ("number", num("45"), 45.0, True),
        ("number", num("0.00001"), 0.00001, False),
        ("number", num("1e400"), None, True),
        ("number", num("1e-999999999"), 0.0, True),
        ("number", num("-0.0"), 0.0, True),
        ("number", num("0.0"), 0.0, False),
        ("integer", num("42"), 42, False),
        ("integer", num("-0"), 0, True),
        ("boolean", Raw("bool", True), True, False),
        ("string", Raw("str", "OK"), "OK", False),
    ],
)
def test_di_01_value_and_raw_by_type(declared, raw, value, keeps_raw):
    found = decode(plan(type=declared), sample(raw, status=0))
    assert (found.value, type(found.value)) == (value, type(value))
    assert found.raw == (raw if keeps_raw else None)
    if isinstance(value, float):
        assert math.copysign(1, found.value) == 1 or found.value < 0


@pytest.mark.parametrize(
    ("declared", "raw", "reason"),
    [
        ("number", Raw("str", "42"), "type"),
        ("float", Raw("i32", "42"), "type"),
        ("integer", num("42.0"), "type"),
        ("integer", num("4e1"), "type"),
        ("boolean", num("1"), "type"),
        ("boolean", Raw("str", "true"), "type"),
        ("double", Raw("arr", [f64(1.0)]), "type"),
        ("string", num("1"), "type"),
        ("double", f64(math.nan), "not_a_number"),
        ("double", f64(math.inf), "not_a_number"),
        ("float", f32(-math.inf), "not_a_number"),
        ("int32", Raw("i32", "x"), "type"),
    ],
)
def test_di_01_nothing_is_coerced(declared, raw, reason):
    assert decode(plan(type=declared), sample(raw)) == Decoded(None, raw, BAD, (reason,))


def test_di_01_null_and_absent_are_no_value():
    assert decode(plan(), sample(ABSENT)) == Decoded(None, None, BAD, ("no_value",))
    assert decode(plan(), sample(ABSENT, reasons=("absent",))) == Decoded(None, None, BAD, ("absent",))


@pytest.mark.parametrize(
    ("status", "quality", "value", "reasons", "flags"),
    [
        (0x00000000, GOOD, 1.5, (), ()),
        (0x000000C0, GOOD, 1.5, (), ()),
        (0x00000480, GOOD, 1.5, (), ("overflow",)),
        (0x00000500, GOOD, 1.5, (), ("limit_low",)),
        (0x00000600, GOOD, 1.5, (), ("limit_high",)),
        (0x00000100, GOOD, 1.5, (), ()),
        (0x40000000, UNCERTAIN, 1.5, ("status",), ()),
        (0x80050000, BAD, None, ("status",), ()),
        (0xC0000000, BAD, None, ("status",), ()),
    ],
)
def test_di_01_severity_alone_decides(status, quality, value, reasons, flags):
    raw = f64(1.5)
    found = decode(plan(), sample(raw, status=status))
    assert found == Decoded(value, raw if value is None else None, quality, reasons, flags)


def test_a_profile_map_decides_over_native_words():
    signal = plan(quality_map={"ok": "good", "warming": "uncertain", "192": "good"})
    assert decode(signal, sample(f64(1.0), native="ok")).quality is GOOD
    assert decode(signal, sample(f64(1.0), native="warming")) == Decoded(1.0, None, UNCERTAIN, ("status",))
    assert decode(signal, sample(f64(1.0), native="broken")) == Decoded(None, f64(1.0), BAD, ("status",))
    assert decode(signal, sample(f64(1.0), status=192)).quality is GOOD
    assert decode(signal, sample(f64(1.0))).quality is GOOD


@pytest.mark.parametrize(
    ("reason", "quality"),
    [("identity", BAD), ("absent", BAD), ("time_ambiguous", UNCERTAIN), ("time_impossible", UNCERTAIN)],
)
def test_reasons_of_the_transport_count(reason, quality):
    found = decode(plan(), sample(f64(1.0), reasons=(reason,)))
    assert (found.quality, found.reasons) == (quality, (reason,))
    assert (found.value is None) == (quality is BAD)


def test_reasons_stand_in_one_order_and_once():
    found = decode(
        plan(plausible_range=(Decimal(0), Decimal(1))),
        sample(f64(2.0), status=0x40000000, reasons=("time_ambiguous",)),
    )
    assert found.reasons == ("status", "plausible_range", "time_ambiguous")


def test_di_01_sentinel_is_bad_before_any_conversion():
    signal = plan(type="number", sentinels=(Decimal(-127), Decimal("327.67")), conversion=conversion("Cel", "K"))
    assert decode(signal, sample(num("-127"))) == Decoded(None, num("-127"), BAD, ("sentinel",))
    assert decode(signal, sample(num("327.670"))).reasons == ("sentinel",)
    assert decode(signal, sample(num("327.6700000000000000001"))).quality is GOOD
    assert decode(plan(type="float", sentinels=(Decimal("327.67"),)), sample(f32(327.67))).reasons == ("sentinel",)


def test_di_12_wire_kelvin_to_celsius_with_correction():
    signal = plan(
        type="float",
        conversion=conversion("K", "Cel"),
        calibration=_calibration(Correction(offset=Decimal("-0.02"))),
    )
    assert decode(signal, sample(Raw("f32", "439b1852"))) == Decoded(37.02, Raw("f32", "439b1852"), GOOD)


def test_di_12_scale_and_offset_act_in_the_wire_unit():
    signal = plan(type="integer", scale=Fraction(1, 10), offset=Fraction(-40), conversion=conversion("Cel", "K"))
    assert decode(signal, sample(num("615"))).value == 294.65


@pytest.mark.parametrize(
    ("value", "expected", "reasons"),
    [
        ("0", 0.1, ()),
        ("5", 5.2, ()),
        ("10", 10.3, ()),
        ("15", 15.3, ()),
        ("20", 20.3, ()),
        ("-1", -0.9, ("correction",)),
        ("21", 21.3, ("correction",)),
    ],
)
def test_di_12_correction_table(value, expected, reasons):
    pairs = (("0", "0.1"), ("10", "10.3"), ("20", "20.3"))
    table = tuple((Decimal(a), Decimal(b)) for a, b in pairs)
    found = decode(plan(type="number", calibration=_calibration(Correction(table=table))), sample(num(value)))
    assert (found.value, found.reasons) == (expected, reasons)
    assert found.quality is (UNCERTAIN if reasons else GOOD)


def test_mask_shift_and_enum_name_a_state():
    signal = plan(type="uint16", measure="state", unit=None, mask=0x30, shift=4, enum={"0": "stopped", "1": "running"})
    assert decode(signal, sample(Raw("u16", str(0x1F)))).value == "running"
    assert decode(signal, sample(Raw("u16", "65"))).value == "stopped"
    assert decode(signal, sample(Raw("u16", str(0x30)))) == Decoded(None, Raw("u16", "48"), BAD, ("enum",))


def test_mask_without_enum_is_a_number_with_its_wire_value_beside_it():
    assert decode(plan(type="uint16", mask=0x0F), sample(Raw("u16", "19"))) == Decoded(3, Raw("u16", "19"), GOOD)


def test_state_of_booleans_and_texts():
    door = plan(type="boolean", measure="state", unit=None, enum={"true": "open", "false": "closed"})
    assert decode(door, sample(Raw("bool", False))) == Decoded("closed", Raw("bool", False), GOOD)
    laser = plan(type="string", measure="state", unit=None, enum={"OK": "ok", "fail": "fail"})
    assert decode(laser, sample(Raw("str", "OK"))) == Decoded("ok", Raw("str", "OK"), GOOD)
    assert decode(laser, sample(Raw("str", "fail"))) == Decoded("fail", None, GOOD)
    assert decode(laser, sample(Raw("str", "WARM"))) == Decoded(None, Raw("str", "WARM"), BAD, ("enum",))


def test_event_is_an_object():
    event = plan(type=None, measure="event", unit=None)
    raw = Raw("json", '{"Active":true}')
    assert decode(event, sample(raw)).value == {"Active": True}
    assert decode(event, sample(Raw("json", "[1]"))).reasons == ("type",)
    assert decode(event, sample(Raw("json", "{"))).reasons == ("type",)
    assert decode(event, sample(ABSENT)).reasons == ("no_value",)


@pytest.mark.parametrize(
    ("value", "quality", "reasons"),
    [
        (0.0, GOOD, ()),
        (60.0, GOOD, ()),
        (60.1, UNCERTAIN, ("plausible_range",)),
        (-0.1, UNCERTAIN, ("plausible_range",)),
        (80.0, UNCERTAIN, ("plausible_range",)),
        (80.1, BAD, ("instrument_range",)),
    ],
)
def test_di_01_ranges_keep_the_value(value, quality, reasons):
    signal = plan(instrument_range=(Decimal(-20), Decimal(80)), plausible_range=(Decimal(0), Decimal(60)))
    assert decode(signal, sample(f64(value))) == Decoded(value, None, quality, reasons)


def test_instrument_range_is_compared_in_the_recorded_unit():
    signal = plan(type="float", conversion=conversion("K", "Cel"), instrument_range=(Decimal(0), Decimal(60)))
    assert decode(signal, sample(f32(340.0))).reasons == ("instrument_range",)
    assert decode(signal, sample(f32(310.0))).quality is GOOD


@pytest.mark.parametrize(
    ("seconds", "value", "reasons"),
    [(60, 21.0, ()), (60, 21.001, ("rate",)), (30, 20.6, ("rate",)), (120, 22.0, ()), (0, 50.0, ()), (-5, 50.0, ())],
)
def test_rate_by_source_time(seconds, value, reasons):
    signal = plan(rate_per_min=Decimal(1))
    before = Previous(20.0, source_ns=10**18, received_ns=0)
    found = compile_decoder(signal)(sample(f64(value), source_ns=10**18 + seconds * 10**9), {}, before)
    assert found.reasons == reasons


def test_rate_by_received_time_where_a_source_time_is_missing():
    signal = plan(rate_per_min=Decimal(1))
    before = Previous(20.0, source_ns=None, received_ns=10**18 - 6 * 10**10)
    assert compile_decoder(signal)(sample(f64(22.0), source_ns=5), {}, before).reasons == ("rate",)


CONDITIONS = (
    ValidWhen(signal="D-1/flow", low=Decimal("26.9"), high=Decimal("29.7")),
    ValidWhen(signal="D-1/laser", equals="ok"),
)


@pytest.mark.parametrize(
    ("flow", "laser", "valid"),
    [
        (28.3, "ok", True),
        (26.9, "ok", True),
        (26.8, "ok", False),
        (29.71, "ok", False),
        (28.3, "failed", False),
        (None, "ok", False),
        ("28.3", "ok", False),
        (True, "ok", False),
    ],
)
def test_di_01_counts_without_flow_are_bad_never_zero(flow, laser, valid):
    signal = plan(type="integer", valid_when=CONDITIONS)
    companions = {
        "D-1/flow": Decoded(flow, None, BAD if flow is None else GOOD),
        "D-1/laser": Decoded(laser, None, GOOD),
    }
    found = decode(signal, sample(num("0")), companions)
    assert companions_of(signal) == ("D-1/flow", "D-1/laser")
    assert found == (Decoded(0, None, GOOD) if valid else Decoded(None, num("0"), BAD, ("invalid_sample",)))


def test_a_missing_or_bad_companion_proves_nothing():
    signal = plan(type="integer", valid_when=CONDITIONS[1:])
    assert decode(signal, sample(num("0"))).reasons == ("invalid_sample",)
    bad = {"D-1/laser": Decoded("ok", None, BAD)}
    assert decode(signal, sample(num("0")), bad).reasons == ("invalid_sample",)


def test_companion_truth_is_compared_as_text():
    signal = plan(type="integer", valid_when=(ValidWhen(signal="D-1/on", equals="true"),))
    assert decode(signal, sample(num("1")), {"D-1/on": Decoded(True, None, GOOD)}).value == 1


def test_ca_calibration_flags_never_stop_a_reading():
    due_end = 1_804_032_000_000_000_000  # 2027-03-03T00:00:00Z
    signal = plan(calibration=_calibration())
    for received, flags in ((due_end, ()), (due_end + 1, ("calibration_expired",))):
        assert decode(signal, sample(f64(1.0), received_ns=received)) == Decoded(1.0, None, GOOD, (), flags)
    bare = plan(calibration_required=True)
    assert decode(bare, sample(f64(1.0), flags=("qos0",))).flags == ("qos0", "uncalibrated")
    assert decode(bare, sample(f64(1.0), flags=("initial",), status=0x500)).flags == (
        "initial",
        "limit_low",
        "uncalibrated",
    )


SAMPLES = st.one_of(
    st.floats(width=32).map(f32),
    st.floats().map(f64),
    st.integers(-(2**63), 2**64 - 1).map(lambda n: Raw("i64", str(n))),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda d: num(str(d).replace("E", "e"))),
    st.booleans().map(lambda b: Raw("bool", b)),
    st.text(max_size=5).map(lambda t: Raw("str", t)),
    st.just(ABSENT),
)


@given(
    st.sampled_from(["float", "double", "int64", "number", "integer", "boolean", "string"]),
    SAMPLES,
    st.sampled_from([None, 0, 0x40000000, 0x80000000, 0x500]),
    st.booleans(),
)
@example("boolean", Raw("bool", True), None, False)
@example("string", Raw("str", "OK"), 0, False)
@example("double", f64(1.5), 0x40000000, True)
def test_di_01_the_short_way_gives_the_same_answer(declared, raw, status, required):
    signal = plan(type=declared, calibration_required=required)
    taken = sample(raw, status=status)
    assert repr(compile_decoder(signal)(taken)) == repr(_compile_general(signal)(taken))


@given(SAMPLES, st.sampled_from(["float", "double", "int64", "number"]))
def test_di_01_a_record_holds_either_the_wire_value_or_raw(raw, declared):
    found = decode(plan(type=declared), sample(raw))
    if found.value is None:
        assert found.quality is BAD
        assert found.reasons
    assert json.loads(json.dumps(found.value)) == found.value


DECIMALS = st.decimals(-(10**6), 10**6, places=3)
ROUND = Context(prec=15, rounding=ROUND_HALF_EVEN)


@given(
    value=DECIMALS,
    scale=DECIMALS.filter(bool),
    offset=DECIMALS,
    correction=DECIMALS,
    units=st.sampled_from([("Cel", "K"), ("[degF]", "Cel"), ("[psi]", "mbar"), ("L/min", "L/min")]),
)
def test_di_12_mapping_equals_naive_fractions_rounded_once(value, scale, offset, correction, units):
    factor, shift = Fraction(1), Fraction(0)
    found = conversion(*units)
    if found is not None:
        factor, shift = found.factor, found.offset
    exact = (Fraction(value) * Fraction(scale) + Fraction(offset)) * factor + shift + Fraction(correction)
    rounded = ROUND.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    signal = plan(
        type="number",
        scale=Fraction(scale),
        offset=Fraction(offset),
        conversion=found,
        calibration=_calibration(Correction(offset=correction)),
    )
    assert decode(signal, sample(num(f"{value:f}"))).value == float(rounded)


def test_di_12_a_result_beyond_every_double_is_not_a_number():
    signal = plan(type="number", scale=Fraction(10**10))
    assert decode(signal, sample(num("1e308"))).reasons == ("not_a_number",)
    assert decode(signal, sample(num("1e-400"))).value == 0.0


def test_di_12_powers_of_ten_far_apart_are_still_exact():
    signal = plan(type="number", conversion=conversion("Cel", "K"))
    assert decode(signal, sample(num("1e-300"))).value == 273.15
    assert decode(plan(type="number", scale=Fraction(3)), sample(num("1e-300"))).value == 3e-300


ENDS = st.decimals(-100, 100, places=3)


@given(st.one_of(st.floats(-100, 100), st.floats(-100, 100, width=32), ENDS.map(float)), ENDS, ENDS)
def test_di_12_ranges_compare_digits_not_binary_expansions(value, one, other):
    low, high = sorted((one, other))
    found = decode(plan(plausible_range=(low, high)), sample(f64(value)))
    inside = Fraction(low) <= Fraction(repr(value)) <= Fraction(high)
    assert found.reasons == (() if inside else ("plausible_range",))


@given(ENDS)
def test_al_float32_at_its_typed_limit_does_not_break_it(limit):
    signal = plan(type="float", instrument_range=(limit - 1, limit))
    assert decode(signal, sample(f32(float(limit)))).reasons == ()
