"""Delivering alerts: signed webhooks (Standard Webhooks) from the outbox until the receiver answers.

At least once: an entry leaves the outbox only after a 2xx answer has been noted in the store. The receiver tells
repeats by the ``webhook-id``, which is the alert's id and stays the same over all attempts and restarts.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import aiohttp
from standardwebhooks.webhooks import Webhook

from aggregator.clock import utc_now
from aggregator.config import ServiceSettings, WebhookSettings
from aggregator.metrics import DELIVERIES
from aggregator.store.repository import Due, Store

log = logging.getLogger(__name__)

OUTBOX = "outbox itself"
"""Name under which a failure of the store is remembered, beside the receivers' names."""


class Notifier:
    """Empties the outbox. ``wake`` after a commit makes it look at once."""

    def __init__(self, store: Store, webhooks: tuple[WebhookSettings, ...], service: ServiceSettings) -> None:
        self._store = store
        self._webhooks: Mapping[str, WebhookSettings] = {hook.name: hook for hook in webhooks}
        self._service = service
        self._due = asyncio.Event()
        self._failing: set[str] = set()

    @property
    def receivers(self) -> tuple[str, ...]:
        """Names of the receivers that every alert goes to."""
        return tuple(self._webhooks)

    def wake(self) -> None:
        """Look at the outbox now."""
        self._due.set()

    async def run(self) -> None:
        """Deliver for ever; ends by cancellation only."""
        async with aiohttp.ClientSession() as session:
            while True:
                self._due.clear()
                await self._deliver_or_say(session)
                try:
                    async with asyncio.timeout(self._service.retry_base_s):
                        await self._due.wait()
                except TimeoutError:
                    continue

    async def _deliver_or_say(self, session: aiohttp.ClientSession) -> None:
        """One look at the outbox; whatever fails, the next one comes. A failure and its end are said once."""
        try:
            await self.deliver_due(session, utc_now())
        except Exception:
            if OUTBOX not in self._failing:
                self._failing.add(OUTBOX)
                log.exception("the outbox cannot be read; will retry")
        else:
            if OUTBOX in self._failing:
                self._failing.discard(OUTBOX)
                log.info("the outbox can be read again")

    async def deliver_due(self, session: aiohttp.ClientSession, now: datetime) -> int:
        """Try every delivery that is due, receivers in parallel; returns how many were answered."""
        due = await self._store.due(now)
        answered = await asyncio.gather(*(self._deliver(session, item) for item in due))
        return sum(answered)

    async def _deliver(self, session: aiohttp.ClientSession, item: Due) -> bool:
        hook = self._webhooks.get(item.receiver)
        if hook is None:  # the receiver was removed from the settings: kept, in case it comes back
            await self._postpone(item, "no such receiver in the settings", self._service.retry_max_s)
            return False
        error = await self._post(session, hook, item)
        DELIVERIES.labels(receiver=hook.name, result="ok" if error is None else "failed").inc()
        if error is not None:
            await self._postpone(item, error, self._backoff_s(item.attempts))
            if hook.name not in self._failing:
                self._failing.add(hook.name)
                log.warning("webhook %s does not take alerts: %s; will retry", hook.name, error)
            return False
        await self._store.delivered(item.seq, utc_now())
        if hook.name in self._failing:
            self._failing.discard(hook.name)
            log.info("webhook %s takes alerts again", hook.name)
        return True

    async def _post(self, session: aiohttp.ClientSession, hook: WebhookSettings, item: Due) -> str | None:
        """None when the receiver answered 2xx, else why not, without its URL."""
        at = utc_now()
        headers = {
            "content-type": "application/json",
            "webhook-id": item.alert_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(hook.secret.get_secret_value()).sign(item.alert_id, at, item.body),
        }
        timeout = aiohttp.ClientTimeout(total=hook.timeout_s)
        try:
            async with session.post(
                hook.url.get_secret_value(),
                data=item.body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return None if 200 <= response.status < 300 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            return type(failure).__name__

    async def _postpone(self, item: Due, error: str, delay_s: float) -> None:
        await self._store.postponed(item.seq, utc_now() + timedelta(seconds=delay_s), error)

    def _backoff_s(self, attempts: int) -> float:
        return min(self._service.retry_max_s, self._service.retry_base_s * 2.0 ** min(attempts, 20))
