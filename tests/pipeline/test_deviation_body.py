"""Bodies of deviation events: the published examples byte for byte, proofs that lead to the sealed root, bounds."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.ledger.crypto import seal_key, verify_line
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.note import open_note
from gateway.pipeline.deviation_body import BundleRef, ExcursionStory, build_deviation_event
from gateway.pipeline.deviation_text import format_duration
from gateway.pipeline.event_body import BODY_BYTES_MAX, format_ascii, format_event
from gateway.pipeline.event_data import DeviationData, Equipment
from tests.pipeline import deviation_examples as given_by_page

EXAMPLE_1_SHA256 = "0ff6e66df0274b989a841555261a0147fb8ecf70d365f1e6c0eb1c2bd2ac097b"


def test_us_22_example_1_is_made_byte_for_byte() -> None:
    body = format_event(given_by_page.example_1()).content
    assert body == given_by_page.published(1)
    assert len(body) == 3_400
    assert sha256(body).hexdigest() == EXAMPLE_1_SHA256


def test_qm_06_example_2_is_made_byte_for_byte() -> None:
    assert format_event(given_by_page.example_2()).content == given_by_page.published(2)


@pytest.mark.parametrize("number", [1, 2])
def test_cm_02_body_note_key_and_rfc_6962_alone_prove_the_leaf(number: int) -> None:
    evidence = json.loads(given_by_page.published(number))["data"]["evidence"]
    index, size = evidence["leaf_index"], evidence["tree_size"]
    leaf = hash_leaf(bytes([index]) * 16 + f'{{"example":{index}}}'.encode())
    assert base64.b64encode(leaf).decode() == evidence["leaf_hash"]
    root = given_by_page.walk(leaf, index, size, [base64.b64decode(node) for node in evidence["inclusion_proof"]])
    assert base64.b64encode(root).decode() == evidence["root_hash"]
    key = seal_key(given_by_page.ORIGIN, given_by_page.SEED)
    note = open_note(evidence["checkpoint"].encode(), [key], verify_line)
    assert base64.b64encode(root) == note.text.splitlines()[2]


def test_qm_02_binary_mode_carries_data_alone_and_attributes_as_headers() -> None:
    whole = json.loads(given_by_page.published(1))
    body = format_event(given_by_page.example_1(), mode="binary")
    assert json.loads(body.content) == whole.pop("data")
    assert body.headers.pop("content-type") == whole.pop("datacontenttype")
    assert body.headers == {f"ce-{name}": value for name, value in whole.items()}


def test_lists_beyond_their_bound_end_with_more() -> None:
    batch = given_by_page.B0412
    batches = tuple(msgspec.structs.replace(batch, batch_id=f"B-{n}", product="P", lot="L") for n in range(53))
    story = ExcursionStory(given_by_page.excursion(), given_by_page.excursion())
    event = _build(batches=batches, stories=[story] * 21)
    data = json.loads(format_event(event).content)["data"]
    assert len(data["batches"]) == 51
    assert data["batches"][-1] == {"more": 3}
    assert len(data["excursions"]) == 21
    assert data["excursions"][-1] == {"more": 1}


def test_hook_05_body_too_large_after_shortening_is_refused() -> None:
    batch = msgspec.structs.replace(given_by_page.B0412, product="x" * 400)
    with pytest.raises(Refused, match=r"HOOK-05: body .* bytes exceeds 20,000 after shortening"):
        format_event(_build(batches=(batch,) * 50))


@given(st.text(max_size=60))
def test_body_is_ascii_and_loses_no_character(name: str) -> None:
    event = _build(equipment=Equipment(id=name))
    body = format_event(event).content
    assert body.isascii()
    assert len(body) <= BODY_BYTES_MAX
    assert json.loads(body)["data"]["equipment"]["id"] == name


def test_characters_beyond_the_first_plane_become_surrogate_pairs() -> None:
    assert format_ascii('"°µ😀"'.encode()) == b'"\\u00b0\\u00b5\\ud83d\\ude00"'


def test_title_and_description_keep_their_bounds() -> None:
    data = _build(equipment=Equipment(id="E" * 200)).data
    assert isinstance(data, DeviationData)
    assert len(data.title) == 120
    assert len(data.description) <= 1_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min 00 s"), (760, "12 min 40 s"), (3_600, "1 h 00 min 00 s"), (90_061, "1 d 01 h 01 min 01 s")],
)
def test_durations_read_as_people_say_them(seconds: int, text: str) -> None:
    assert format_duration(seconds * 1_000_000_000) == text


def test_retraction_and_merger_say_so_and_close_nothing() -> None:
    retracted = _build(record={"event": "retracted", "state": "retracted", "reason": "sensor was in the autoclave"})
    merged = _build(record={"event": "superseded", "state": "superseded", "parent": "DEV-gw01-000041"})
    assert isinstance(retracted.data, DeviationData)
    assert isinstance(merged.data, DeviationData)
    assert retracted.data.description.endswith(" Retracted: sensor was in the autoclave")
    assert merged.data.description.endswith(" Merged into DEV-gw01-000041.")


def test_low_limit_shows_the_smallest_value_and_its_own_words() -> None:
    requirement = msgspec.structs.replace(given_by_page.context().requirement, operator="lt", value=2.0)
    cold = given_by_page.excursion(extreme=0.5, extreme_ns=given_by_page.ns("03:02:00"))
    stories = [
        ExcursionStory(cold, cold),
        ExcursionStory(given_by_page.excursion(extreme=1.5), given_by_page.excursion(extreme=1.5)),
    ]
    data = _build(stories=stories, requirement=requirement).data
    assert isinstance(data, DeviationData)
    assert data.observed.extreme == 0.5
    assert data.observed.extreme_at == "2026-11-22T03:02:00.000Z"
    assert data.title == "FRZ-01 temperature below 2.0 Cel since 03:01:20Z"
    assert data.description == "Required: at least 2.0 Cel. Observed: 0.5 Cel, below the limit for 5 min 00 s."


def test_data_condition_without_requirement_or_signal_is_named_by_its_cause() -> None:
    lost = given_by_page.excursion(condition="plc-1:comm_lost", class_="data", cause="comm_lost", extreme=msgspec.UNSET)
    data = _build(stories=[ExcursionStory(lost, lost)], requirement=None, signal=None, equipment=None).data
    assert isinstance(data, DeviationData)
    assert data.title == "plc-1 comm lost since 03:01:20Z"
    assert data.description == "Observed: comm lost for 5 min 00 s."
    assert data.observed.extreme is None


def _build(*, stories: list[ExcursionStory] | None = None, record: dict | None = None, **changes: object):
    story = ExcursionStory(given_by_page.excursion(), given_by_page.excursion())
    return build_deviation_event(
        given_by_page.deviation(**(record or {})),
        [story] if stories is None else stories,
        given_by_page.context(**changes),
        given_by_page.proven(6, 8),
        BundleRef("b5" * 32, 48_211),
    )
