"""Slow twins of the kernels: plain Python over single numbers, nothing shared with the code under test."""

import math
from collections.abc import Sequence


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black(is_call: bool, forward: float, strike: float, tau: float, vol: float, discount: float) -> float:
    sign = 1.0 if is_call else -1.0
    width = vol * math.sqrt(tau)
    if width <= 1e-12:
        return discount * max(sign * (forward - strike), 0.0)
    d1 = math.log(forward / strike) / width + 0.5 * width
    return discount * sign * (forward * normal(sign * d1) - strike * normal(sign * (d1 - width)))


def es(losses: Sequence[float], level: float) -> float:
    """Mean of the worst (1 - level) share, the last row in part."""
    k = max(round((1.0 - level) * len(losses), 9), 1.0)
    left, total = k, 0.0
    for loss in sorted(losses, reverse=True):
        part = min(1.0, left)
        total += part * loss
        left -= part
        if left <= 0.0:
            break
    return total / k
