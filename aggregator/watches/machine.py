"""The life of one watch over one figure, as a pure step: levels with hysteresis, streaks, cooldown and silence.

A level is 0 (nothing) to n (worst). Each look says which level is certain (``up``) and which is not excluded
(``hold``); the gap between the two is the hysteresis. What is and what receivers were told are kept apart, so that
quiet hours and mutes delay the telling and never lose it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec


class Change(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    WORSENED = "worsened"
    EASED = "eased"
    RESOLVED = "resolved"
    HELD = "held"
    """Nothing now: what happened in silence is told."""


class Half(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one alert; equal to ``Half()`` when there is nothing to remember."""

    level: int = 0
    told: int = 0
    """Level that receivers know of."""
    ups: tuple[int, ...] = ()
    holds: tuple[int, ...] = ()
    rose_at: datetime | None = None
    opened_at: datetime | None = None
    episode: str | None = None
    """Id of the alert that opened it."""
    acked: int = 0
    """Level at which somebody has acknowledged it; 0: nobody."""


AT_REST = Half()


@dataclass(frozen=True, slots=True)
class Law:
    """How patient the step is."""

    rise_cycles: int = 1
    """Consecutive looks that must be certain of a level before it is taken."""
    fall_cycles: int = 1
    """Consecutive looks that must exclude a level before it is left."""
    cooldown_s: float = 0
    """Least time between the last rise and a fall."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of an alert."""

    change: Change
    before: int
    after: int
    deliver: bool
    """False: recorded only, because of silence or because receivers know already."""
    opened_at: datetime
    at: datetime
    episode: str | None
    """None when this event opens it."""

    @property
    def worst(self) -> int:
        """The higher of both levels: it decides severity, so that whoever hears of a breach hears of its end."""
        return max(self.before, self.after)


Loud = Callable[[int], bool]
"""Whether an event whose worst level is this may be told now."""


def step(
    half: Half, seen: tuple[int, int] | None, now: datetime, law: Law, loud: Loud = lambda _: True
) -> tuple[Half, Event | None]:
    """One look.

    Parameters
    ----------
    seen
        (up, hold), ``up <= hold``; None where the figure is not known. That breaks the streak of looks which
        exclude a level and leaves the other streak as it is: unknown is never a reason to relax.
    """
    ups, holds, level = half.ups, half.holds[:0], half.level
    if seen is not None:
        ups, holds = (*half.ups, seen[0])[-law.rise_cycles :], (*half.holds, seen[1])[-law.fall_cycles :]
        certain = min(ups) if len(ups) == law.rise_cycles else 0
        possible = max(holds) if len(holds) == law.fall_cycles else level
        if certain > level:
            level = certain
        elif possible < level and _cooled(half, now, law):
            level = possible
    return _moved(msgspec.structs.replace(half, ups=ups, holds=holds), level, now, loud)


def close(half: Half, now: datetime, loud: Loud = lambda _: True) -> tuple[Half, Event | None]:
    """What was watched is gone: the alert ends at once."""
    return _moved(msgspec.structs.replace(half, ups=(), holds=()), 0, now, loud)


def acknowledge(half: Half) -> Half:
    """Somebody knows: what is open counts as told, until it gets worse."""
    return msgspec.structs.replace(half, acked=half.level, told=half.level) if half.level else half


def _cooled(half: Half, now: datetime, law: Law) -> bool:
    """Whether the cooldown is over; a clock that was set back does not prolong it."""
    if half.rose_at is None:
        return True
    elapsed = (now - half.rose_at).total_seconds()
    return elapsed < 0 or elapsed >= law.cooldown_s


def _moved(half: Half, level: int, now: datetime, loud: Loud) -> tuple[Half, Event | None]:
    """The half at its new level, and the event where there is one."""
    before = half.level
    if level == before:
        return _caught_up(half, now, loud)
    opened_at = now if before == 0 or half.opened_at is None else half.opened_at
    told_now = level != half.told and loud(max(before, level))
    change = _change(before, level)
    event = Event(
        change, before, level, told_now, opened_at, now, None if change is Change.OPENED else half.episode
    )
    rose = level > before
    moved = msgspec.structs.replace(
        half,
        level=level,
        told=level if told_now else half.told,
        rose_at=now if rose else half.rose_at,
        opened_at=opened_at,
        acked=0 if rose or level == 0 else half.acked,
    )
    return _rested(moved), event


def _caught_up(half: Half, now: datetime, loud: Loud) -> tuple[Half, Event | None]:
    """Tell what happened in silence, once the silence is over."""
    if half.level == half.told or not loud(max(half.level, half.told)):
        return _rested(half), None
    event = Event(Change.HELD, half.told, half.level, True, half.opened_at or now, now, half.episode)
    return _rested(msgspec.structs.replace(half, told=half.level)), event


def _rested(half: Half) -> Half:
    """Nothing to remember is remembered as nothing."""
    return AT_REST if half.level == 0 and half.told == 0 and not any(half.ups) else half


def _change(before: int, after: int) -> Change:
    if after > before:
        return Change.OPENED if before == 0 else Change.WORSENED
    return Change.RESOLVED if after == 0 else Change.EASED
