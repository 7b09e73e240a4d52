"""Envelope seals: published vectors, a foreign verifier, rotation, tolerance."""

from __future__ import annotations

import base64
import time

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.webhook.envelope_seal import (
    EnvelopeKeys,
    check_envelope,
    format_public_key,
    parse_public_key,
    parse_secret,
    parse_signing_key,
    seal_envelope,
)
from gateway.errors import ConfigurationRefused
from tests.pipeline import deviation_examples

SEED = bytes(range(32))
STAMP = 1_795_316_780
EVENT = "gw-01:dev:000042:1"
PUBLISHED_V1 = "v1,LIbm6PjeIpKwt3o2fVBwicFQWXlRfbSXBogfm5568uw="
PUBLISHED_V1A = "v1a,Xd+vQBSC7i6Jk7YCmtDfkVGZrKR9Ca9RWmfmz4PW9U150v7KfJczJL819yrOsmbTURSAJG8oNJyYxV2PazIWBA=="


def test_qm_01_vector_of_the_standard() -> None:
    keys = EnvelopeKeys((parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),))
    sealed = seal_envelope(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert sealed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_qm_01_example_1_is_sealed_by_both_schemes_as_published() -> None:
    body = deviation_examples.published(1)
    assert seal_envelope(EnvelopeKeys((SEED,), (SEED,)), EVENT, STAMP, body) == f"{PUBLISHED_V1} {PUBLISHED_V1A}"
    assert format_public_key(SEED) == "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


@given(body=st.text(max_size=50), old=st.binary(min_size=24, max_size=64), new=st.binary(min_size=24, max_size=64))
def test_qm_01_reference_verifier_accepts_old_and_new_secret_during_a_rotation(
    body: str, old: bytes, new: bytes
) -> None:
    now = int(time.clock_gettime(time.CLOCK_REALTIME))
    content = body.encode()
    headers = _headers(seal_envelope(EnvelopeKeys((new, old), (SEED,)), EVENT, now, content), now)
    for secret in (old, new):
        text = "whsec_" + base64.b64encode(secret).decode()
        standardwebhooks.Webhook(text).verify(content, headers, json_parse=False)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_" + base64.b64encode(b"x" * 24).decode()).verify(
            content, headers, json_parse=False
        )


def test_qm_01_five_minutes_old_is_refused_and_newest_secret_stands_first() -> None:
    new, old = b"n" * 24, b"o" * 24
    sealed = seal_envelope(EnvelopeKeys((new, old)), EVENT, STAMP, b"{}")
    assert sealed.split(" ")[0] == seal_envelope(EnvelopeKeys((new,)), EVENT, STAMP, b"{}")
    headers = _headers(sealed, STAMP)
    assert check_envelope(headers, b"{}", now_s=STAMP + 300, secrets=(old,)).accepted
    assert not check_envelope(headers, b"{}", now_s=STAMP + 301, secrets=(old,)).accepted
    assert not check_envelope(headers, b"{}", now_s=STAMP - 301, secrets=(old,)).accepted


@given(st.integers(0, 3_399), st.integers(1, 255))
def test_qm_01_any_changed_byte_breaks_both_seals(position: int, change: int) -> None:
    body = bytearray(deviation_examples.published(1))
    headers = _headers(f"{PUBLISHED_V1} {PUBLISHED_V1A}", STAMP)
    keys = {"secrets": (SEED,), "public_keys": (parse_public_key(format_public_key(SEED)),)}
    whole = check_envelope(headers, bytes(body), now_s=STAMP, **keys)
    assert (whole.v1, whole.v1a, whole.accepted) == ("ok", "ok", True)
    body[position] ^= change
    broken = check_envelope(headers, bytes(body), now_s=STAMP, **keys)
    assert (broken.v1, broken.v1a, broken.accepted) == ("wrong", "wrong", False)


def test_unknown_versions_and_keys_we_do_not_hold_are_passed_over() -> None:
    sealed = "v9,xyz " + seal_envelope(EnvelopeKeys((SEED,), (SEED,)), EVENT, STAMP, b"{}")
    verdict = check_envelope(_headers(sealed, STAMP), b"{}", now_s=STAMP, secrets=(SEED,))
    assert (verdict.v1, verdict.v1a, verdict.accepted) == ("ok", "unchecked", True)
    assert not check_envelope({}, b"{}", now_s=STAMP, secrets=(SEED,)).accepted
    garbled = check_envelope(_headers("v1a,%%%", STAMP), b"{}", now_s=STAMP, public_keys=(b"k" * 32,))
    assert (garbled.v1, garbled.v1a) == ("absent", "wrong")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_secret, "whsec_" + base64.b64encode(b"s" * 23).decode()),
        (parse_secret, "whsec_" + base64.b64encode(b"s" * 65).decode()),
        (parse_secret, "hunter2"),
        (parse_secret, "whsec_%%%"),
        (parse_signing_key, "whsk_" + base64.b64encode(b"s" * 31).decode()),
        (parse_signing_key, "whsk_" + base64.b64encode(b"s" * 64).decode()),
        (parse_public_key, "whpk_" + base64.b64encode(b"s" * 33).decode()),
    ],
)
def test_keys_that_are_not_whole_are_refused_without_showing_them(parse, text: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        parse(text)
    assert text not in str(refused.value)


def test_signing_key_is_the_seed_or_seed_and_public_key() -> None:
    public = parse_public_key(format_public_key(SEED))
    assert parse_signing_key("whsk_" + base64.b64encode(SEED).decode()) == SEED
    assert parse_signing_key("whsk_" + base64.b64encode(SEED + public).decode()) == SEED


def _headers(sealed: str, stamp: int) -> dict[str, str]:
    return {"webhook-id": EVENT, "webhook-timestamp": str(stamp), "webhook-signature": sealed}
