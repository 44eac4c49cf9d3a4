"""What Lyra lets out of a position: collateral above the smallest one, and what settlement left."""

from decimal import Decimal

from chains.accounts import Pocket, Withdrawal
from chains.instruments import Fixed, Spot


def tied(token: Spot, units: Decimal, *, in_base: bool) -> Withdrawal:
    """Collateral of a live short: base as itself, quote at par."""
    pocket = Pocket(token, units, token if in_base else Fixed(), Decimal(1))
    return Withdrawal((pocket,), by_surplus=True)


def loose(token: Spot, units: Decimal) -> Withdrawal:
    """Tokens that only wait to be claimed."""
    return Withdrawal((Pocket(token, units, token, Decimal(0)),))
