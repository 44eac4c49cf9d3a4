"""Differences between the host's clock and those of chains and providers, measured by the way.

A block is never older than its time says, so one from the host's future proves that the host is behind;
the other way round only the freshest of many blocks says something. An HTTP answer dates the middle of its
exchange within half the round trip, as NTP does.
"""

from collections import deque
from dataclasses import dataclass

KEPT = 64
"""Samples per clock; the best of them counts."""
WORTH_SAYING_S = 5.0


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """One clock against the host's."""

    clock: str
    """Chain id or provider."""
    offset_s: float
    """That clock minus the host's: positive means that the host is behind."""
    within_s: float
    """The true offset is between ``offset_s`` and ``offset_s + within_s``."""

    @property
    def words(self) -> str:
        """The difference for people."""
        return (
            f"{self.offset_s:+.1f} s to {self.offset_s + self.within_s:+.1f} s against the host's: check its time"
        )

    @property
    def doubtful(self) -> bool:
        """Whether the difference is large enough to spoil ages."""
        return self.offset_s > WORTH_SAYING_S or self.offset_s + self.within_s < -WORTH_SAYING_S


class ClockMeter:
    """Collects samples; ``skews`` gives the tightest statement about each clock."""

    def __init__(self) -> None:
        self._blocks: dict[str, deque[float]] = {}
        self._answers: dict[str, deque[tuple[float, float]]] = {}

    def block(self, chain: str, timestamp: int, host_s: float) -> None:
        """A block of a chain as it was seen at a host time."""
        self._blocks.setdefault(chain, deque(maxlen=KEPT)).append(timestamp - host_s)

    def answer(
        self, provider: str, server_s: float, asked_s: float, received_s: float, unit_s: float = 1.0
    ) -> None:
        """A dated answer; ``unit_s`` is the resolution of the date."""
        half = (received_s - asked_s) / 2
        offset = server_s - (asked_s + half) - half
        self._answers.setdefault(provider, deque(maxlen=KEPT)).append((2 * half + unit_s, offset))

    def skews(self, block_interval_s: float = 15.0) -> tuple[ClockSkew, ...]:
        """One line per clock. A chain's block may be one interval old when it is seen."""
        chains = [ClockSkew(name, max(seen), block_interval_s) for name, seen in self._blocks.items()]
        providers = [
            ClockSkew(name, offset, within)
            for name, seen in self._answers.items()
            for within, offset in (min(seen),)
        ]
        return tuple(sorted((*chains, *providers), key=lambda skew: skew.clock))
