"""dYdX v4: initial and maintenance requirement of one perpetual position, no netting between markets.

    IMF_eff = min(1, IMF + (1 - IMF)·clip((OI - lower)/(upper - lower), 0, 1))       open interest, initial only
    initial = ceil(|notional|·IMF_eff)        maintenance = ceil(ceil(|notional|·IMF)·maintenance fraction)

Quote amounts are whole quantums and fractions are parts per million, so the arithmetic is exact in integers.
Source: dydxprotocol/v4-chain, x/perpetuals (lib and liquidity tier).
"""

from dataclasses import dataclass

from risk.errors import RiskInputError

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class LiquidityTier:
    """Figures of one tier; open interest in quote quantums, 0 = no scaling."""

    initial_ppm: int
    maintenance_ppm: int
    lower_cap: int = 0
    upper_cap: int = 0

    def __post_init__(self) -> None:
        for name in ("initial_ppm", "maintenance_ppm"):
            value = getattr(self, name)
            if not 0 <= value <= MILLION:
                raise RiskInputError(f"tier.{name}: {value} must be from 0 to {MILLION}")
        if self.lower_cap < 0 or self.upper_cap < self.lower_cap:
            raise RiskInputError(
                f"tier.upper_cap: {self.upper_cap} must not be below lower_cap {self.lower_cap} >= 0"
            )


def requirements(tier: LiquidityTier, notional: int, open_interest: int = 0) -> tuple[int, int]:
    """(initial, maintenance) in quote quantums of a position worth ``notional`` (either sign)."""
    if open_interest < 0:
        raise RiskInputError(f"open_interest: {open_interest} must be at least 0")
    size = abs(notional)
    base = _ceil(size * tier.initial_ppm, MILLION)
    maintenance = _ceil(base * tier.maintenance_ppm, MILLION)
    span = tier.upper_cap - tier.lower_cap
    if not tier.upper_cap or open_interest <= tier.lower_cap:
        return base, maintenance
    if open_interest >= tier.upper_cap or not span:
        return size, maintenance
    # The chain keeps the grown fraction in whole parts per million, rounded down.
    grown = tier.initial_ppm + (MILLION - tier.initial_ppm) * (open_interest - tier.lower_cap) // span
    return _ceil(size * grown, MILLION), maintenance


def _ceil(over: int, under: int) -> int:
    return -(-over // under)
