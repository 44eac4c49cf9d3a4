"""Delivering alerts: one lane per receiver, at least once, until each receiver has answered.

The receiver tells repeats by the ``webhook-id``, which is the alert's id and stays the same over all attempts,
processes and restarts.
"""

import asyncio
import logging
import os
import random
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from aiohttp.abc import AbstractResolver

from aggregator.clock import utc_now
from aggregator.delivery.lane import Lane
from aggregator.delivery.message import Message, Outcome, trial_notice
from aggregator.delivery.outbox import Backlog, Outbox
from aggregator.delivery.receivers import states
from aggregator.delivery.senders import sender_of
from aggregator.delivery.settings import DeliverySettings, WebhookSettings
from aggregator.errors import UnknownReceiver
from aggregator.metrics import DELIVERY_BACKLOG, DELIVERY_OLDEST, RECEIVER_OFF
from aggregator.store.repository import Store

log = logging.getLogger(__name__)

TAKEN_S = 1.0
MEASURE_EVERY_S = 5
PRUNE_EVERY = 720
"""Measurements between two looks at what the delivery log may forget: an hour."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a test message."""

    id: str
    outcome: Outcome
    duration_s: float


class Notifier:
    """Empties the outbox. ``wake`` after a commit makes it look at once."""

    def __init__(
        self,
        store: Store,
        webhooks: tuple[WebhookSettings, ...],
        settings: DeliverySettings | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        resolver: AbstractResolver | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._settings = settings or DeliverySettings()
        self._outbox = Outbox(store, self._settings)
        self._clock = clock
        self._resolver = resolver
        self._troubled = False
        self._delivering = False
        self.webhooks = {hook.name: hook for hook in webhooks}
        owner = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._senders = {hook.name: sender_of(hook, resolver) for hook in webhooks}
        self._lanes = tuple(
            Lane(
                hook, self._senders[hook.name], self._outbox, self._settings, owner=owner,
                others=[name for name in self.webhooks if name != hook.name], clock=clock, chance=chance,
            )
            for hook in webhooks
        )  # fmt: skip

    @property
    def receivers(self) -> tuple[str, ...]:
        """Names of the receivers that every alert goes to."""
        return tuple(self.webhooks)

    def wake(self) -> None:
        """Look at the outbox now."""
        for lane in self._lanes:
            lane.wake()

    async def taken(self, within_s: float = TAKEN_S) -> None:
        """Wait until what is committed is on its way, where this process delivers; not for long."""
        if self._delivering and self._lanes:
            await asyncio.wait([lane.next_look() for lane in self._lanes], timeout=within_s)

    async def run(self) -> None:
        """Deliver for ever; ends by cancellation only."""
        async with AsyncExitStack() as stack:
            for sender in self._senders.values():
                await stack.enter_async_context(sender)
            async with (
                asyncio.TaskGroup() as group
            ):  # cancels each once: lanes give their claims back on the way out
                for lane in self._lanes:
                    group.create_task(lane.run(self._on_trouble))
                group.create_task(self._keep_measuring())
                self._delivering = True

    async def drain(self) -> int:
        """Try everything that is due now, receivers side by side; returns how many messages were answered.

        Also what one receiver's attempts give others to tell: that it is switched off.
        """
        answered = 0
        async with AsyncExitStack() as stack:
            for sender in self._senders.values():
                await stack.enter_async_context(sender)
            while found := sum(await asyncio.gather(*(lane.drain() for lane in self._lanes))):
                answered += found
        return answered

    async def try_out(self, name: str) -> Trial:
        """Send a test message to one receiver now, beside the outbox; raises UnknownReceiver."""
        if name not in self.webhooks:
            known = ", ".join(self.webhooks) or "none"
            raise UnknownReceiver(f"no receiver is called {name!r}; the settings have: {known}")
        notice, started = trial_notice(name, self._clock()), time.monotonic()
        message = Message(notice.id, notice.model_dump_json())
        async with sender_of(self.webhooks[name], self._resolver) as sender:
            outcome = await sender.send(message, self._clock())
        took_s = time.monotonic() - started
        await self._outbox.note_test(name, message, outcome, self._clock(), took_s)
        return Trial(notice.id, outcome, took_s)

    async def backlogs(self) -> dict[str, Backlog]:
        """What waits, by receiver."""
        return await self._outbox.backlogs()

    async def measure(self) -> None:
        """Set the gauges of the backlog."""
        now, off = self._clock(), await states(self._store)
        backlogs = await self._outbox.backlogs()
        for name in {*self.webhooks, *backlogs}:
            found = backlogs.get(name)
            age_s = 0.0 if found is None or found.oldest_at is None else (now - found.oldest_at).total_seconds()
            DELIVERY_BACKLOG.labels(receiver=name).set(0 if found is None else found.waiting)
            DELIVERY_OLDEST.labels(receiver=name).set(max(0.0, age_s))
            RECEIVER_OFF.labels(receiver=name).set(int(name in off and off[name].disabled_at is not None))

    async def _keep_measuring(self) -> None:
        rounds = 0
        while True:
            try:
                await self.measure()
                if rounds % PRUNE_EVERY == 0:
                    await self._outbox.prune(self._clock())
            except Exception as error:  # noqa: BLE001 - as for the lanes
                self._on_trouble(error)
            rounds += 1
            await asyncio.sleep(MEASURE_EVERY_S)

    def _on_trouble(self, error: Exception | None) -> None:
        """A failure of the store and its end are said once for all lanes."""
        if error is not None and not self._troubled:
            self._troubled = True
            log.error("the outbox cannot be used (%s); will retry", type(error).__name__, exc_info=error)
        elif error is None and self._troubled:
            self._troubled = False
            log.info("the outbox can be used again")
