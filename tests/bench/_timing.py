"""Timing that is fair on a machine with other work: ways take turns, and times of one turn are compared."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

Way = Callable[[], Awaitable[object]]


async def in_turns(rounds: int, ways: Mapping[str, Way]) -> dict[str, list[float]]:
    """Seconds of each way in each round; one round before warms up."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            await way()
            if turn:
                took[name].append(time.perf_counter() - started)
    return took


async def best_of(rounds: int, ways: Mapping[str, Way]) -> dict[str, float]:
    """Shortest time of each way in seconds."""
    return {name: min(seconds) for name, seconds in (await in_turns(rounds, ways)).items()}


def times_better(subject: Sequence[float], baseline: Sequence[float]) -> float:
    """Median over the rounds of how often the subject's time goes into the baseline's of the same round."""
    return statistics.median(theirs / ours for ours, theirs in zip(subject, baseline, strict=True))
