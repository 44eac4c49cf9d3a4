"""Requests per minute by caller, told in RateLimit headers (draft-ietf-httpapi-ratelimit-headers-11)."""

import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from aggregator.access.settings import AccessSettings
from api.errors import Problem
from api.http.caller import ANONYMOUS, Caller
from api.http.endpoint import Endpoint, Scope
from api.http.hosts import caller_address

WINDOW_S = 60
MOST_CALLERS = 20_000
"""Counters kept; the one that was idle longest goes first."""
NO_LIMIT = ("/livez", "/readyz", "/metrics")


class Limits:
    """Counts requests in fixed windows of a minute."""

    def __init__(self, access: AccessSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._access, self._clock = access, clock
        limits = (("default", access.requests_per_minute), ("simulate", access.simulations_per_minute))
        self._policies = tuple((name, most, f'"{name}";q={most};w={WINDOW_S}') for name, most in limits)
        self._used: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def take(self, caller: Caller, endpoint: Endpoint, request: web.Request) -> dict[str, str]:
        """Headers that say what is left; raises Problem 429 where nothing is."""
        if endpoint.path in NO_LIMIT:
            return {}
        told, left = self.count(caller, endpoint, request)
        return {"RateLimit-Policy": told, "RateLimit": left}

    def count(self, caller: Caller, endpoint: Endpoint, request: web.Request) -> tuple[str, str]:
        """The policy and what is left of it; raises Problem 429 where nothing is."""
        policy, limit, told = self._policies[endpoint.scope is Scope.SIMULATE]
        who = caller.id if caller.id != ANONYMOUS.id else caller_address(request, self._access)
        now = self._clock()
        window = self._used.get((who, policy))
        if window is None or now - window[0] >= WINDOW_S:
            window = self._used[who, policy] = [now, 0]
            if len(self._used) > MOST_CALLERS:
                self._used.popitem(last=False)
        window[1] += 1
        left, wait = int(limit - window[1]), int(WINDOW_S - (now - window[0])) + 1
        still = f'"{policy}";r={max(0, left)};t={wait}'
        if left < 0:
            error = Problem(429, "too_many_requests", f"{limit} requests a minute; again in {wait} s")
            error.headers = {"RateLimit-Policy": told, "RateLimit": still, "Retry-After": str(wait)}
            raise error
        return told, still
