"""OKX portfolio margin: one risk unit per coin, units are summed, no offset between coins.

    MMR_unit = max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 , MR7 ) + MR9        IMR = 1.3·MMR
    MR1 spot and vol   MR2 time decay   MR3 vega term structure   MR4 basis   MR5 rate
    MR6 extreme move, half the loss   MR7 least charge   MR9 depeg            borrowing: Σ MR8 beside the units

Source: OKX API documentation (position builder) and its portfolio margin page.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from risk.checks import number

IM_FACTOR = 1.3
EXTREME_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class RiskUnit:
    """Charges of one coin, USD, each >= 0; ``extreme_loss`` before it is halved."""

    spot_vol: float = 0.0
    time_decay: float = 0.0
    vega: float = 0.0
    basis: float = 0.0
    rate: float = 0.0
    extreme_loss: float = 0.0
    least: float = 0.0
    depeg: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            number(f"unit.{field.name}", getattr(self, field.name), 0.0, 1e30)

    @property
    def maintenance(self) -> float:
        """MMR of the unit."""
        moved = max(self.spot_vol, self.time_decay, EXTREME_SHARE * self.extreme_loss)
        return max(moved + self.vega + self.basis + self.rate, self.least) + self.depeg

    @property
    def initial(self) -> float:
        """IMR of the unit."""
        return IM_FACTOR * self.maintenance


def total(units: Iterable[RiskUnit], borrow_mm: float = 0.0, borrow_im: float = 0.0) -> tuple[float, float]:
    """(initial, maintenance) of the account: units and borrowing summed."""
    number("borrow_mm", borrow_mm, 0.0, 1e30)
    number("borrow_im", borrow_im, 0.0, 1e30)
    held = list(units)
    return sum(u.initial for u in held) + borrow_im, sum(u.maintenance for u in held) + borrow_mm


def linear_unit(
    delta_usd: float, spot_moves: float, extreme_move: float, basis_rate: float, least_rate: float
) -> RiskUnit:
    """Unit of a book without options: delta times the largest moves.

    ``basis_rate`` = the larger of annual move x years and the least move; ``least_rate`` of MR7, both of delta.
    """
    number("delta_usd", delta_usd, -1e30, 1e30)
    size = abs(delta_usd)
    return RiskUnit(
        spot_vol=size * spot_moves,
        extreme_loss=size * extreme_move,
        basis=size * basis_rate,
        least=size * least_rate,
    )
