"""Unsigned calls of Synthetix PerpsV2: sUSD in and out of a market's account, and orders that make it smaller.

The market's contract is the one that the reader notes in the legs. sUSD needs no allowance: the market burns and
issues it.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from chains.accounts import Position, VenueAccount
from chains.caip import parse_address
from chains.evm.abi import Function
from chains.transactions import Transaction, part_of, sent

_TRANSFER: Final = Function("transferMargin(int256)")
_MODIFY: Final = Function("modifyPosition(int256,uint256)")
CONTRACT: Final = "contract"
"""Key of ``Position.details``: the market's address."""


def deposit(account: VenueAccount, raw: int) -> tuple[Transaction, ...]:
    """Add sUSD to the account."""
    return (_sent(account, _TRANSFER, (raw,), f"move {raw} units of sUSD into {account.sub_account}"),)


def withdraw(account: VenueAccount, raw: int) -> tuple[Transaction, ...]:
    """Take sUSD out; the market refuses what would exceed its leverage."""
    return (_sent(account, _TRANSFER, (-raw,), f"take {raw} units of sUSD out of {account.sub_account}"),)


def reduce(
    account: VenueAccount, position: Position, share: Decimal, slippage: Decimal = Decimal("0.02")
) -> tuple[Transaction, ...]:
    """Close a share of the position at a price at most ``slippage`` worse than the venue's.

    Raises ValueError for a share outside (0, 1] or a position without size or price.
    """
    amount, price = part_of(position, share)
    selling = position.raw > 0
    worst = price * (1 - slippage if selling else 1 + slippage)
    bound = int(worst.scaleb(18).to_integral_value(ROUND_FLOOR if selling else ROUND_CEILING))
    words = f"close {Decimal(amount).scaleb(-18):f} of {position.label} near {price:f}"
    return (_sent(account, _MODIFY, (-amount if selling else amount, bound), words),)


def _sent(account: VenueAccount, function: Function, arguments: tuple[int, ...], about: str) -> Transaction:
    market = next((p.details[CONTRACT] for p in account.positions if CONTRACT in p.details), "")
    if not market:
        raise ValueError(f"{account.id}: the legs do not name the market's contract")
    call = function.call(parse_address(market), *arguments)
    return sent(account, call, about)
