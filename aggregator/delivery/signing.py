"""Standard Webhooks signatures (standardwebhooks.com, v1: HMAC-SHA256 over id, timestamp and body)."""

from collections.abc import Sequence
from datetime import datetime

from standardwebhooks.webhooks import Webhook


def signed_headers(message_id: str, body: str, at: datetime, keys: Sequence[str]) -> dict[str, str]:
    """Headers of one attempt; one signature per key, so that a receiver verifies with the old or the new one.

    The id stays the same over all attempts, the timestamp is that of the attempt.
    """
    signatures = " ".join(Webhook(key).sign(message_id, at, body) for key in keys)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures,
    }
