"""The lane of one receiver: its own loop over its own backlog, so that nobody waits for another one's receiver."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from aggregator.delivery.backoff import delay_s
from aggregator.delivery.message import Outcome
from aggregator.delivery.outbox import Claim, Outbox, Settled
from aggregator.delivery.senders import Sender
from aggregator.delivery.settings import DeliverySettings, WebhookSettings
from aggregator.metrics import DELIVERIES, DELIVERY_SECONDS

log = logging.getLogger(__name__)

FAIR_EVERY = 4
"""In every so many looks the oldest message goes first, so that none waits for ever behind urgent ones."""
LEASE_SPARE_S = 5
"""A claim lasts this much longer than the attempt may: for the note about it to be written."""


class Lane:
    """Tries what waits for one receiver, several at a time, each until the receiver has answered."""

    def __init__(
        self,
        receiver: WebhookSettings,
        sender: Sender,
        outbox: Outbox,
        settings: DeliverySettings,
        *,
        owner: str,
        others: Collection[str],
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self.name = receiver.name
        self._receiver = receiver
        self._sender = sender
        self._outbox = outbox
        self._settings = settings
        self._owner = owner
        self._others = others
        self._clock = clock
        self._chance = chance
        self._news = asyncio.Event()
        self._looks = 0
        self._awaited: list[asyncio.Future[None]] = []
        self._running: dict[asyncio.Task[bool], Claim] = {}

    def wake(self) -> None:
        """Look at the backlog now."""
        self._news.set()

    def next_look(self) -> asyncio.Future[None]:
        """Done when a look that begins from now on has claimed what it could; begins one."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited.append(done)
        self.wake()
        return done

    async def run(self, on_trouble: Callable[[Exception | None], None]) -> None:
        """Deliver for ever; ends by cancellation only. ``on_trouble`` hears of each look: an error, or None."""
        try:
            while True:
                self._news.clear()
                awaited, self._awaited = self._awaited, []
                try:
                    await self.look()
                except Exception as error:  # noqa: BLE001 - whatever the store does, the next look comes
                    on_trouble(error)
                else:
                    on_trouble(None)
                for done in awaited:
                    if not done.done():
                        done.set_result(None)
                await self._pause()
                self._reap(on_trouble)
        finally:
            await self._give_back()

    async def look(self) -> int:
        """Start an attempt for each message that is due while there is room; returns how many."""
        room = self._receiver.concurrency - len(self._running)
        if room <= 0:
            return 0
        self._looks += 1
        claims: list[Claim] = []
        if self._looks % FAIR_EVERY == 0:
            claims += await self._claim(1, by_age=True)
        if len(claims) < room:
            claims += await self._claim(room - len(claims))
        return len(claims)

    async def _claim(self, most: int, *, by_age: bool = False) -> list[Claim]:
        lease_s = self._receiver.timeout_s + LEASE_SPARE_S
        claims = await self._outbox.claim(self.name, self._owner, self._clock(), lease_s, most, by_age=by_age)
        for claim in claims:
            self._running[asyncio.create_task(self._attempt(claim))] = claim
        return claims

    async def drain(self) -> int:
        """Try everything that is due now and wait for the outcomes; returns how many were answered."""
        answered = 0
        while await self.look():
            done = await asyncio.gather(*self._running)
            self._running.clear()
            answered += sum(done)
        return answered

    async def _pause(self) -> None:
        """Until there is news, an attempt has ended, or the time of the next look."""
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait(
                {news, *self._running}, timeout=self._settings.poll_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            news.cancel()

    def _reap(self, on_trouble: Callable[[Exception | None], None]) -> None:
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            error = task.exception()
            if isinstance(error, Exception):  # the note was not written: the claim runs out and it is sent again
                on_trouble(error)

    async def _give_back(self) -> None:
        """Attempts that a shutdown interrupts are free for the next process at once."""
        if not self._running:
            return
        seqs = [claim.seq for claim in self._running.values()]
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        try:
            await self._outbox.release(self._owner, seqs)
        except Exception as error:  # noqa: BLE001 - the claims run out by themselves
            log.warning("claims of %s are not given back: %s", self.name, type(error).__name__)

    async def _attempt(self, claim: Claim) -> bool:
        started = time.monotonic()
        try:
            outcome = await self._sender.send(claim.message, self._clock())
        except Exception as error:  # noqa: BLE001 - an attempt that fails in an unknown way has failed
            outcome = Outcome(delivered=False, detail=type(error).__name__)
        took_s = time.monotonic() - started
        DELIVERIES.labels(receiver=self.name, result="ok" if outcome.delivered else "failed").inc()
        DELIVERY_SECONDS.labels(receiver=self.name).observe(took_s)
        now = self._clock()
        again_at = now + timedelta(seconds=self._delay_s(claim, outcome))
        settled = await self._outbox.settle(
            self.name, claim, outcome, self._owner, now, took_s, again_at, self._others
        )
        self._say(settled, outcome)
        return outcome.delivered

    def _delay_s(self, claim: Claim, outcome: Outcome) -> float:
        base_s, most_s = self._settings.retry_base_s, self._settings.retry_max_s
        return delay_s(claim.attempts + 1, base_s, most_s, self._chance(), outcome.retry_after_s)

    def _say(self, settled: Settled, outcome: Outcome) -> None:
        """A failure, its end and a switch-off are said once each."""
        if settled.disabled is not None:
            fix = f"put it right and run `crossmargin notify enable {self.name}`"
            log.error("receiver %s is switched off (%s); %s", self.name, settled.disabled, fix)
        elif settled.began_to_fail:
            log.warning("receiver %s does not take alerts: %s; will retry", self.name, outcome.detail)
        elif settled.recovered:
            log.info("receiver %s takes alerts again", self.name)
