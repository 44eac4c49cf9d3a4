"""Unsigned transactions: what an account would have to send. Nothing here signs, holds a key or sends."""

from dataclasses import dataclass

from chains.caip import Address, ChainId
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
