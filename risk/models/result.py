"""What every margin model answers, and the protocol they share.

    mm_excess = mark - maintenance        im_excess = mark - initial        mark = value of all positions + cash

A model never says "safe" or "liquidatable": mm_excess < 0 is the venue's own line, and who reports it says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from risk.book import Book
from risk.checks import F64

BASIS_ROW = "basis contingency"


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """Requirements of one book by one model, USD."""

    model: str
    version: str
    params_hash: str
    mark_usd: float
    """Value of all positions plus cash, no haircut."""
    maintenance_usd: float
    initial_usd: float
    lines: Mapping[str, float]
    """Named parts: what raises a requirement is positive."""
    scenarios: tuple[str, ...]
    """(S,) names of the rows; empty for a model without scenarios."""
    scenario_pnl: F64
    """(S,) change of value in each row, USD, discounts and damping applied."""
    worst: str
    """Name of the row that binds, or '' for none."""
    maintenance_by_position: Mapping[str, float]
    """Contributions that sum to ``maintenance_usd`` (Euler: the requirement is homogeneous of degree 1)."""
    initial_by_position: Mapping[str, float]
    """The same for ``initial_usd``."""

    @property
    def mm_excess_usd(self) -> float:
        """Mark minus maintenance requirement; below 0 the venue's rule liquidates."""
        return self.mark_usd - self.maintenance_usd

    @property
    def im_excess_usd(self) -> float:
        """Mark minus initial requirement; below 0 nothing may be opened."""
        return self.mark_usd - self.initial_usd


class MarginModel(Protocol):
    """A model with its parameters bound."""

    @property
    def id(self) -> str:
        """Short name, as in ``Margin.model``."""
        ...

    def margin(self, book: Book) -> Margin:
        """Requirements of ``book``; raises ``RiskInputError`` for a book the model cannot describe."""
        ...
