"""Laws of signatures and of the delays between attempts."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from aggregator.clock import utc_now
from aggregator.delivery.backoff import delay_s
from aggregator.delivery.signing import signed_headers

keys = st.binary(min_size=24, max_size=64).map(lambda raw: "whsec_" + base64.b64encode(raw).decode())
bodies = st.text(max_size=200).map(lambda text: "{" + text.replace("\x00", "") + "}")


def test_the_specification_s_own_example():
    """Key, id, timestamp and body as in the reference libraries' tests; the signature by the definition of v1."""
    key, raw = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', at, [key])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    content = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    by_hand = base64.b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{by_hand}"


@given(keys, keys, keys, bodies)
def test_whoever_has_one_of_the_keys_verifies_and_nobody_else(new, old, other, body):
    headers = signed_headers("alt_1", body, utc_now(), [new, old])
    for key in (new, old):
        Webhook(key).verify(body, headers, json_parse=False)
    if other not in (new, old):
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(body, headers, json_parse=False)


@given(keys, bodies, st.sampled_from(["webhook-id", "webhook-timestamp", "body"]))
def test_any_change_breaks_the_signature(key, body, part):
    headers = signed_headers("alt_1", body, utc_now(), [key])
    changed = body + "x" if part == "body" else body
    if part != "body":
        headers[part] = "alt_2" if part == "webhook-id" else str(int(headers[part]) - 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(changed, headers, json_parse=False)


chances = st.floats(0, 1)
bases = st.floats(0.01, 60)


@given(st.integers(1, 10_000), bases, st.floats(60, 86_400), chances)
def test_a_delay_is_between_half_and_the_whole_of_the_doubled_one(failures, base, most, chance):
    full = min(most, base * 2 ** min(failures - 1, 60))
    assert full / 2 <= delay_s(failures, base, most, chance) <= full


@given(st.integers(1, 100), bases, st.floats(60, 86_400), chances)
def test_delays_never_shrink_with_failures(failures, base, most, chance):
    assert delay_s(failures + 1, base, most, chance) >= delay_s(failures, base, most, chance)


@given(st.integers(1, 100), st.floats(60, 86_400), chances, st.floats(0, 1e9))
def test_what_a_receiver_asks_for_is_kept_up_to_the_longest_delay(failures, most, chance, asked):
    found = delay_s(failures, 1, most, chance, asked)
    assert min(asked, most) <= found <= most


@given(chances)
def test_a_first_retry_comes_within_the_base_and_a_day_of_failures_is_tried_often(chance):
    assert delay_s(1, 1, 900, chance) <= 1
    spent, tries = 0.0, 0
    while spent < 86_400:
        tries += 1
        spent += delay_s(tries, 1, 900, chance)
    assert 96 <= tries <= 220
