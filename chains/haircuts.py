"""What part of idle value does not count as equity, where no venue has a rule of its own."""

from dataclasses import dataclass
from decimal import Decimal

from chains.deployments import AssetInfo


@dataclass(frozen=True, slots=True)
class Haircuts:
    """Fraction of the value that does not count as equity, by class of asset."""

    crypto: Decimal = Decimal("0.05")
    stable: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        for name, value in (("crypto", self.crypto), ("stable", self.stable)):
            if not 0 <= value < 1:
                raise ValueError(f"haircuts.{name}: expected 0 <= haircut < 1, was {value}")

    def of(self, info: AssetInfo) -> Decimal:
        """Haircut of an asset; pegged ones are the stable class."""
        return self.stable if info.peg else self.crypto
