"""What changed between the releases of Aave v3 that are read here; which one a pool is, it says itself.

The pool's revision is read in every cycle, so that an upgrade is noticed in the block that brings it. Revisions in
between (3.1 to 3.5) and later ones follow other rules and are refused: ``unknown_mode``, never a guess.
"""

from dataclasses import dataclass

from chains.venues.aave.fixed_point import (
    binomial_interest,
    compounded_interest,
    ray_mul,
    ray_mul_ceil,
    ray_mul_floor,
)


@dataclass(frozen=True, slots=True)
class Version:
    """Rules of one release."""

    name: str
    against_the_account: bool
    """Balances down, debts up; before, both half up and values down."""
    averages_threshold: bool
    """The liquidation threshold is averaged and cut to whole bps before it meets the debt."""
    emode_bitmaps: bool
    """E-modes name their assets by bitmap (since 3.2); before, every asset named its one e-mode."""
    stable_debts: bool
    """Debts at stable rates exist (until 3.1)."""

    @property
    def debt_calls(self) -> int:
        """Calls that a borrowed reserve needs."""
        return 3 if self.stable_debts else 1

    def supplied(self, scaled: int, index: int) -> int:
        """Balance of a receipt token."""
        return ray_mul_floor(scaled, index) if self.against_the_account else ray_mul(scaled, index)

    def owed(self, scaled: int, index: int) -> int:
        """Variable debt."""
        return ray_mul_ceil(scaled, index) if self.against_the_account else ray_mul(scaled, index)

    def debt_value(self, amount: int, price: int, unit: int) -> int:
        """Value of a debt in base units."""
        return -(-amount * price // unit) if self.against_the_account else amount * price // unit

    def debt_index(self, index: int, rate: int, elapsed_s: int) -> int:
        """Variable borrow index accrued since its last update."""
        if elapsed_s == 0:
            return index
        grown = binomial_interest if self.against_the_account else compounded_interest
        return ray_mul(grown(rate, elapsed_s), index)


V30 = Version("3.0", False, True, False, True)
V36 = Version("3.6", True, False, True, False)

VERSIONS = {1: V30, 2: V30, 3: V30, 10: V36}
"""By POOL_REVISION (PoolInstance.sol of each release)."""
