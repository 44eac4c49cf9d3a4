"""What each venue takes and gives, in the words of its own calldata module. One place that knows all of them."""

from decimal import Decimal

from aggregator.advice.model import StepKind
from chains.accounts import Position, PositionKind, VenueAccount
from chains.deployments import AssetInfo, ChainDeployment
from chains.transactions import Transaction
from chains.venues.aave import calldata as aave
from chains.venues.compound import calldata as compound
from chains.venues.lyra import calldata as lyra
from chains.venues.morpho import calldata as morpho
from chains.venues.perp import calldata as perp
from chains.venues.synthetix import calldata as synthetix

AAVE, COMPOUND, LYRA = "aave-v3", "compound-v3", "lyra-v1"
MORPHO, PERP, SYNTHETIX = "morpho-blue", "perp-v2", "synthetix-perps-v2"
LENDING = frozenset({AAVE, COMPOUND, MORPHO})
FUNDABLE = LENDING | {LYRA, PERP, SYNTHETIX}
"""Venues whose deposits are encoded."""
Calls = tuple[Transaction, ...]


def target(account: VenueAccount, here: ChainDeployment) -> tuple[AssetInfo, Position] | None:
    """Dollar token that helps the account, and the leg that it goes to: the largest debt, or cash."""
    if account.venue not in FUNDABLE:
        return None
    kind = PositionKind.DEBT if account.venue in LENDING else PositionKind.COLLATERAL
    legs = [p for p in account.positions if p.kind is kind and (kind is PositionKind.DEBT or p.raw >= 0)]
    for leg in sorted(legs, key=lambda p: -abs(p.size)):
        info = here.asset(leg.asset)
        if info is not None and info.peg:
            return info, leg
    return None


def pay_in(
    account: VenueAccount, here: ChainDeployment, token: AssetInfo, leg: Position, raw: int
) -> tuple[StepKind, int, Calls]:
    """Deposit or repay; no more than is owed. Returns what it is, and the units that it takes."""
    owed = min(raw, abs(leg.raw))
    match account.venue:
        case "aave-v3":
            mode = 1 if leg.details.get("rate_mode") == "stable" else aave.VARIABLE
            return StepKind.REPAY, owed, aave.repay(account, here, token, owed, mode)
        case "morpho-blue":
            return StepKind.REPAY, owed, morpho.repay(account, here, token, owed)
        case "compound-v3":
            return StepKind.REPAY, owed, compound.supply(account, here, token, owed)
        case "perp-v2":
            return StepKind.DEPOSIT, raw, perp.deposit(account, here, token, raw)
        case "synthetix-perps-v2":
            return StepKind.DEPOSIT, raw, synthetix.deposit(account, raw)
        case "lyra-v1":
            return StepKind.DEPOSIT, raw, lyra.deposit(account, here, token, raw)
        case other:
            raise ValueError(f"{other}: deposits are not encoded")


def take_out(account: VenueAccount, here: ChainDeployment, token: AssetInfo, leg: Position, raw: int) -> Calls:
    """Withdraw; nothing for idle tokens. The venue refuses what its rule does not let out."""
    match account.venue:
        case "aave-v3":
            return aave.withdraw(account, here, token, raw)
        case "morpho-blue":
            lent = leg.kind is PositionKind.HOLDING
            take = morpho.withdraw if lent else morpho.withdraw_collateral
            return take(account, here, token, raw)
        case "compound-v3":
            return compound.withdraw(account, here, token, raw)
        case "perp-v2":
            return perp.withdraw(account, here, token, raw)
        case "synthetix-perps-v2":
            return synthetix.withdraw(account, raw)
        case "lyra-v1":
            return lyra.withdraw(account, here, token, raw)
        case _:
            return ()


def close(account: VenueAccount, here: ChainDeployment, leg: Position, share: Decimal, deadline: int) -> Calls:
    """Make a position smaller, never larger or the other way round; nothing where no call is encoded.

    Raises ValueError where the venue's account cannot pay for it.
    """
    match account.venue:
        case "perp-v2":
            return perp.reduce(account, here, leg, share, deadline)
        case "synthetix-perps-v2":
            return synthetix.reduce(account, leg, share)
        case "lyra-v1" if leg.raw < 0:
            return lyra.reduce(account, here, share)
        case _:
            return ()
