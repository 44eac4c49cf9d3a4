"""The circuit breaker of one endpoint: counts failures, and logs once that they began and once that they ended."""

import asyncio
import logging
import random
from collections.abc import Sequence

from chains.errors import ChainError, EndpointError, EndpointUnreachable, RateLimited, WrongChainId
from chains.evm.jsonrpc import Fatal, Request
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName, Observer
from chains.protocols import Transport

log = logging.getLogger(__name__)


class Breaker:
    """Lets requests through while an endpoint works, one probe at a time while it does not.

    closed --failures_to_open failures in a row--> open --open_s over--> half open --one probe--> closed or open.
    A rate-limit answer is no failure: the endpoint works, and rests.
    """

    def __init__(self, inner: Transport, name: EndpointName, limits: TransportLimits, observer: Observer) -> None:
        self._inner = inner
        self.name = name
        self._limits = limits
        self._observer = observer
        self.failures = 0
        self.is_open = False
        """Whether requests other than a probe are refused."""
        self._probe_at = 0.0
        self._pause_s = limits.open_s
        self._probing = False
        self._failing_since = 0.0
        self._last: EndpointError = EndpointUnreachable(f"{name}: not asked yet")

    @property
    def probe_due(self) -> bool:
        """Whether an endpoint that failed should be tried again."""
        return self.failures > 0 and not self._probing and _now() >= self._probe_at

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on; raises the last failure while the circuit is open."""
        if self.is_open and not self.probe_due:
            raise self._refusal()
        probe = self.failures > 0
        self._probing = self._probing or probe
        if self.is_open:
            self._observer.changed(self.name, "half_open")
        try:
            answers = await self._inner.send(requests)
        except RateLimited:
            raise
        except ChainError as error:
            self.failed(error if isinstance(error, EndpointError) else EndpointUnreachable(str(error)))
            raise
        finally:
            self._probing = self._probing and not probe
        self._worked()
        return answers

    def failed(self, error: EndpointError) -> None:
        """Count a failure; also called where the endpoint lost against another one that was asked later."""
        self.failures += 1
        self._last = error
        if self.failures == 1:
            self._failing_since = _now()
            log.warning("%s", error)
        at_once = isinstance(error, Fatal | WrongChainId)
        if _now() >= self._probe_at:  # once per pause, however many requests were under way
            self._probe_at = _now() + self._pause_s * random.uniform(0.75, 1.25)
            self._pause_s = min(self._limits.open_cap_s, 2 * self._pause_s)
        if at_once or self.failures >= self._limits.failures_to_open:
            self._observer.changed(self.name, "open")
            self.is_open = True

    def _worked(self) -> None:
        if self.failures == 0:
            return
        log.info("%s: works again after %.1f s", self.name, _now() - self._failing_since)
        self.failures, self.is_open, self._pause_s = 0, False, self._limits.open_s
        self._observer.changed(self.name, "closed")

    def _refusal(self) -> EndpointError:
        left_s = max(0.0, self._probe_at - _now())
        kind = WrongChainId if isinstance(self._last, WrongChainId) else EndpointUnreachable
        return kind(f"{self._last} (not asked for {left_s:.1f} s more)")


def _now() -> float:
    return asyncio.get_running_loop().time()
