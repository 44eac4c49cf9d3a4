"""How long to wait before the next attempt."""

STEPS = 40
"""Doublings beyond which the longest delay has been reached by any settings."""


def delay_s(failures: int, base_s: float, most_s: float, chance: float, asked_s: float | None = None) -> float:
    """Seconds after ``failures`` failed attempts (>= 1): doubled each time, half of it fixed and half by chance.

    The chance (0 to 1) spreads what failed at once, so that a receiver that comes back is not hit by all of it in
    one moment. ``asked_s``: what the receiver asked for (Retry-After), never beyond ``most_s``.
    """
    full = min(most_s, base_s * 2.0 ** min(max(0, failures - 1), STEPS))
    own = full * (0.5 + 0.5 * chance)
    return own if asked_s is None else min(most_s, max(own, asked_s))
