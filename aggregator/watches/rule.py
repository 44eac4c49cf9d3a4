"""What a watch is: the settings' form, which may say only what differs, and the whole rule made from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator

from aggregator.errors import ConfigError
from aggregator.report import Frozen
from aggregator.watches.figures import FIGURES, Figure, Reading
from aggregator.watches.machine import Law

NAME = r"^[a-z][a-z0-9-]{0,39}$"


class Severity(StrEnum):
    """How loud an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info."""
        return list(Severity).index(self)


def _number(value: Any) -> Any:
    """A threshold may be written as a number or as text."""
    return str(value) if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) else value


Threshold = Annotated[str, BeforeValidator(_number), Field(min_length=1, max_length=40)]


class LevelChange(Frozen):
    """One rung of a watch."""

    fire: Threshold
    clear: Threshold | None = None
    """None: the same as ``fire``."""
    severity: Severity = Severity.WARNING


class Quiet(Frozen):
    """Hours in which only what is urgent enough is told; the rest is told when they end, if it still holds."""

    start: time
    end: time
    zone: str = "UTC"
    """IANA name, such as ``Europe/Berlin``; summer time is its own matter."""
    override: Severity | None = Severity.CRITICAL
    """From this severity on alerts are told in quiet hours too; None: nothing is."""

    @field_validator("zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {name[:40]!r}: take an IANA name such as Europe/Berlin") from None
        return name

    @field_validator("end")
    @classmethod
    def _end(cls, end: time, info: Any) -> time:
        if end == info.data.get("start"):
            raise ValueError("is the same as start: leave quiet out for no quiet hours, or mute the watch")
        return end

    def holds(self, now: datetime) -> bool:
        """Whether a time is within the quiet hours, which may go over midnight."""
        local = now.astimezone(ZoneInfo(self.zone)).time()
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


class WatchChange(Frozen):
    """What settings, or a call of the API, say of a watch; None: as before."""

    enabled: bool | None = None
    figure: str | None = Field(default=None, max_length=60)
    when: Literal["above", "below"] | None = None
    """On which side of the thresholds trouble lies."""
    fire: Threshold | None = None
    """With ``clear`` and ``severity``: short for one level."""
    clear: Threshold | None = None
    severity: Severity | None = None
    levels: tuple[LevelChange, ...] | None = Field(default=None, min_length=1, max_length=8)
    """From the mildest to the worst."""
    for_cycles: int | None = Field(default=None, ge=1, le=100)
    clear_cycles: int | None = Field(default=None, ge=1, le=100)
    cooldown_s: int | None = Field(default=None, ge=0, le=7 * 86_400)
    missing_cycles: int | None = Field(default=None, ge=1, le=100)
    missing_severity: Severity | None = None
    missing_told_by: str | None = Field(default=None, max_length=40)
    """Another watch: while that one is open, this one's missing figure is not told as well. Empty: none."""
    quiet: Quiet | None = None
    quiet_hours: bool | None = None
    """``false`` takes quiet hours away again."""

    @field_validator("figure")
    @classmethod
    def _figure(cls, name: str | None) -> str | None:
        if name is not None and name not in FIGURES:
            raise ValueError(f"no figure {name!r}: one of {', '.join(FIGURES)}")
        return name


@dataclass(frozen=True, slots=True)
class Level:
    """One rung with numbers."""

    fire: Decimal
    clear: Decimal
    severity: Severity


@dataclass(frozen=True, slots=True)
class Watch:
    """A whole rule."""

    name: str
    figure: str
    below: bool
    levels: tuple[Level, ...]
    law: Law
    missing_law: Law
    missing_severity: Severity
    missing_told_by: str | None
    quiet: Quiet | None
    muted_until: datetime | None = None
    enabled: bool = True

    @property
    def reads(self) -> Figure:
        """The figure's reader; of a watch that is not there any more, one that reads nothing."""
        return FIGURES.get(self.figure) or Figure(lambda _: iter(()), self.name)

    def severity(self, level: int) -> Severity:
        """Severity of a level, 1 for the mildest."""
        return self.levels[min(level, len(self.levels)) - 1].severity

    def silent(self, severity: Severity, now: datetime) -> bool:
        """Whether an alert of this severity is kept back now."""
        if self.muted_until is not None and now < self.muted_until:
            return True
        if self.quiet is None or not self.quiet.holds(now):
            return False
        return self.quiet.override is None or severity.rank < self.quiet.override.rank

    def seen(self, reading: Reading) -> tuple[int, int] | None:
        """(certain level, level not excluded) of a reading; None where its ends do not say the same."""
        if reading.low is None or reading.high is None:
            return None
        low = self._levels(reading.low)
        return low if reading.low == reading.high or low == self._levels(reading.high) else None

    def _levels(self, value: Decimal) -> tuple[int, int]:
        up = hold = 0
        for rank, level in enumerate(self.levels, 1):
            if value <= level.fire if self.below else value >= level.fire:
                up = rank
            if value <= level.clear if self.below else value >= level.clear:
                hold = rank
        return up, max(up, hold)


def removed(name: str) -> Watch:
    """What is left of a watch that nothing defines any more: enough to end what it has open."""
    return Watch(name, "", False, (Level(Decimal(0), Decimal(0), Severity.WARNING),), Law(), Law(),
                 Severity.WARNING, None, None)  # fmt: skip


def merged(changes: Sequence[WatchChange]) -> WatchChange:
    """Later ones over earlier ones, field by field; levels, and the short form of one, replace each other."""
    values: dict[str, Any] = {}
    for change in changes:
        said = {
            name: getattr(change, name) for name in change.model_fields_set if getattr(change, name) is not None
        }
        if "levels" in said:
            values = {k: v for k, v in values.items() if k not in _SHORT}
        elif "fire" in said:
            values.pop("levels", None)
            values = {k: v for k, v in values.items() if k != "clear"}
        values |= said
    return WatchChange.model_construct(set(values), **values)


_SHORT = ("fire", "clear", "severity")


@lru_cache(maxsize=4096)
def watch_of(name: str, changes: tuple[WatchChange, ...], where: str = "watches") -> Watch:
    """The whole rule. Raises ConfigError that names the field and the fix."""
    said = merged(changes)
    at = f"{where}.{name}"
    if said.figure is None:
        raise ConfigError(f"{at}.figure: a new watch needs a figure: one of {', '.join(FIGURES)}")
    if said.when is None:
        raise ConfigError(f'{at}.when: a new watch needs "above" or "below": where trouble lies')
    below, silent = said.when == "below", said.quiet_hours is False
    return Watch(
        name=name,
        figure=said.figure,
        below=below,
        levels=_levels(at, said, FIGURES[said.figure], below=below),
        law=Law(said.for_cycles or 1, said.clear_cycles or 1, said.cooldown_s or 0),
        missing_law=Law(said.missing_cycles or 1, 1, said.cooldown_s or 0),
        missing_severity=said.missing_severity or Severity.WARNING,
        missing_told_by=said.missing_told_by or None,
        quiet=None if silent else said.quiet,
        enabled=said.enabled is not False,
    )


def _levels(at: str, said: WatchChange, figure: Figure, *, below: bool) -> tuple[Level, ...]:
    given: Sequence[LevelChange]
    if said.levels is not None:
        if any(getattr(said, name) is not None for name in _SHORT):
            raise ConfigError(f"{at}.levels: fire, clear and severity belong into the levels: give either form")
        given = said.levels
    elif said.fire is not None:
        given = (LevelChange(fire=said.fire, clear=said.clear, severity=said.severity or Severity.WARNING),)
    else:
        raise ConfigError(f"{at}.fire: a watch needs a threshold: fire (with clear and severity), or levels")
    single = said.levels is None
    levels = tuple(
        _level(at if single else f"{at}.levels.{n}", one, figure, below=below) for n, one in enumerate(given)
    )
    sign = -1 if below else 1
    for n, (mild, bad) in enumerate(pairwise(levels), 1):
        if sign * bad.fire <= sign * mild.fire or sign * bad.clear < sign * mild.clear:
            raise ConfigError(f"{at}.levels.{n}: must be worse than the level before it: mildest first")
        if bad.severity.rank < mild.severity.rank:
            raise ConfigError(f"{at}.levels.{n}.severity: must not be milder than that of the level before it")
    return levels


def _level(at: str, one: LevelChange, figure: Figure, *, below: bool) -> Level:
    try:
        fire = figure.number(one.fire)
    except ValueError as error:
        raise ConfigError(f"{at}.fire: {error}") from None
    try:
        clear = fire if one.clear is None else figure.number(one.clear)
    except ValueError as error:
        raise ConfigError(f"{at}.clear: {error}") from None
    if (clear < fire) if below else (clear > fire):
        side, sense = ("below", "at or above") if below else ("above", "at or below")
        raise ConfigError(
            f"{at}.clear: {one.clear} must be {sense} fire ({one.fire}) of a watch that fires {side}"
        )
    return Level(fire, clear, one.severity)
