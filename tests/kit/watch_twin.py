"""A slow twin of a watch's step: keeps the whole history of looks and works every answer out of it anew."""

from dataclasses import dataclass, field
from datetime import datetime

from aggregator.watches.machine import Law


@dataclass
class Twin:
    """Levels and what was told, by scanning the history back each time."""

    law: Law
    looks: list[tuple[int, int] | None] = field(default_factory=list)
    level: int = 0
    told: int = 0
    rose_at: datetime | None = None

    def look(self, seen: tuple[int, int] | None, now: datetime, *, silent: bool) -> tuple[int, int] | None:
        """(level before, level after) of what receivers are told, None where they are told nothing."""
        self.looks.append(seen)
        if seen is not None:
            self._judge(now)
        if silent or self.told == self.level:
            return None
        said, self.told = (self.told, self.level), self.level
        return said

    def _judge(self, now: datetime) -> None:
        known = [look for look in self.looks if look is not None]
        for level in range(9, self.level, -1):
            last = known[-self.law.rise_cycles :]
            if len(last) == self.law.rise_cycles and all(up >= level for up, _ in last):
                self.level, self.rose_at = level, now
                return
        last = self.looks[-self.law.fall_cycles :]
        if len(last) < self.law.fall_cycles or None in last:
            return
        cool = self.rose_at is None or not 0 <= (now - self.rose_at).total_seconds() < self.law.cooldown_s
        highest = max(hold for _, hold in last)
        if highest < self.level and cool:
            self.level = highest
