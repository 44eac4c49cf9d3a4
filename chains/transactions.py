"""Unsigned transactions: what an account would have to send. Nothing here signs, holds a key or sends."""

from dataclasses import dataclass
from decimal import Decimal

from chains.accounts import Position, VenueAccount
from chains.caip import Address, ChainId, account_address, account_chain, asset_address
from chains.deployments import AssetInfo
from chains.evm.abi import Function
from chains.types import Call

_APPROVE = Function("approve(address,uint256)", "(bool)")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One call that ``sender`` would have to sign and send on ``chain``."""

    chain: ChainId
    sender: Address
    to: Address
    data: bytes
    about: str
    """What it does, for people who compare it with their wallet."""
    value: int = 0


def unsigned(chain: ChainId, sender: Address, call: Call, about: str) -> Transaction:
    """Transaction of an encoded call."""
    return Transaction(chain, sender, call.to, call.data, about)


def approve(
    chain: ChainId, owner: Address, token: Address, spender: Address, raw: int, symbol: str = "token"
) -> Transaction:
    """Let a contract take exactly ``raw`` units: never more than the next transaction needs."""
    call = _APPROVE.call(token, spender, raw)
    return unsigned(chain, owner, call, f"let {spender} take {raw} units of {symbol}")


def sent(account: VenueAccount, call: Call, about: str) -> Transaction:
    """Transaction of a call that the account's owner makes."""
    return unsigned(account_chain(account.account), account_address(account.account), call, about)


def paid(account: VenueAccount, token: AssetInfo, raw: int, call: Call, about: str) -> tuple[Transaction, ...]:
    """The same where the called contract takes ``raw`` units of the owner's tokens: what lets it comes first."""
    chain, owner = account_chain(account.account), account_address(account.account)
    allowed = approve(chain, owner, asset_address(token.asset), call.to, raw, token.symbol)
    return allowed, unsigned(chain, owner, call, about)


def part_of(position: Position, share: Decimal) -> tuple[int, Decimal]:
    """Raw amount of a share of a position, without its sign, and the venue's price of it.

    Raises ValueError for a share outside (0, 1] or a position without size or price.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: must be in (0, 1], was {share}")
    size, price = abs(position.raw), position.venue_price_usd
    if not size or price is None:
        raise ValueError(f"{position.label}: nothing to close, size {size}, price {price}")
    return size if share == 1 else int(size * share), price
