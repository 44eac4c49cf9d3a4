"""Timing that is fair on a machine with other work: the ways take turns, and the best round of each counts."""

import time
from collections.abc import Awaitable, Callable, Mapping

Way = Callable[[], Awaitable[object]]


async def best_of(rounds: int, ways: Mapping[str, Way]) -> dict[str, float]:
    """Shortest time of each way in seconds; one round before warms up."""
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            await way()
            if turn:
                best[name] = min(best[name], time.perf_counter() - started)
    return best
