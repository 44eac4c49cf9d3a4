"""How many blocks to ask logs for at once: more while it goes quickly, fewer when it does not. Pure."""

from dataclasses import dataclass
from typing import Final

FIRST_RANGE: Final = 256
QUICK_S: Final = 2.0
SLOW_S: Final = 8.0
MANY_LOGS: Final = 20_000
"""More logs than that in one range cost memory, whatever the time."""


@dataclass(frozen=True, slots=True)
class RangeSize:
    """Blocks per range, between 1 and ``most``."""

    blocks: int = FIRST_RANGE
    most: int = 100_000

    def after(self, seconds: float, logs: int) -> "RangeSize":
        """Doubled after a quick range, halved after a slow or a fat one."""
        if seconds > SLOW_S or logs > MANY_LOGS:
            return self.smaller()
        if seconds < QUICK_S and logs <= MANY_LOGS // 2:
            return RangeSize(min(self.blocks * 2, self.most), self.most)
        return self

    def smaller(self) -> "RangeSize":
        """Halved: the endpoint refused the range, or failed."""
        return RangeSize(max(1, self.blocks // 2), self.most)
