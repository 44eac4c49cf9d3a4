"""Unsigned calls of Across: the deposit, and the fill that a relayer sends (for simulations on forks)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from chains.caip import Address, ChainId, asset_address, chain_number
from chains.deployments import AssetInfo, ChainDeployment
from chains.evm.abi import Function
from chains.transactions import Transaction, approve, unsigned
from chains.types import Call
from chains.venues.across.deposits import VENUE, Deposit, to_word

FILL_WINDOW_S: Final = 14_400
_DEPOSIT: Final = Function(
    "deposit(bytes32,bytes32,bytes32,bytes32,uint256,uint256,uint256,bytes32,uint32,uint32,uint32,bytes)"
)
_FILL: Final = Function(
    "fillRelay((bytes32,bytes32,bytes32,bytes32,bytes32,uint256,uint256,uint256,uint256,uint32,uint32,bytes),"
    "uint256,bytes32)"
)


def deposit(
    owner: Address, origin: ChainDeployment, sent: AssetInfo, received: AssetInfo, destination: ChainId,
    raw: int, fee_bps: float, quoted_at: int,
) -> tuple[Transaction, ...]:  # fmt: skip
    """Send tokens to the same address on another chain.

    ``quoted_at`` is the timestamp of a block of the origin, at most an hour old; ``fee_bps`` is what a relayer may
    keep. If nobody fills within four hours the deposit comes back.
    """
    pool = origin.venues[VENUE]["spoke_pool"]
    least = received_raw(raw, fee_bps, sent, received)
    token, there = asset_address(sent.asset), asset_address(received.asset)
    call = _DEPOSIT.call(
        pool, to_word(owner), to_word(owner), to_word(token), to_word(there), raw, least,
        chain_number(destination), bytes(32), quoted_at, quoted_at + FILL_WINDOW_S, 0, b"",
    )  # fmt: skip
    return (
        approve(origin.chain, owner, token, pool, raw, sent.symbol),
        unsigned(origin.chain, owner, call, f"bridge {raw} units of {sent.symbol} to {destination} by Across"),
    )


def received_raw(raw: int, fee_bps: float, sent: AssetInfo, received: AssetInfo) -> int:
    """Units of ``received`` that arrive for ``raw`` units of ``sent``, the fee rounded up.

    A token may have other decimals on another chain. Raises ValueError where nothing would arrive.
    """
    fee = (Decimal(raw) * Decimal(str(fee_bps)) / 10_000).to_integral_value(ROUND_CEILING)
    least = int((raw - fee).scaleb(received.decimals - sent.decimals).to_integral_value(ROUND_FLOOR))
    if raw <= 0 or fee_bps < 0 or least <= 0:
        raise ValueError(f"fee_bps: {fee_bps} of {raw} units leaves nothing")
    return least


def fill(deposited: Deposit, pool: Address, relayer: Address) -> Call:
    """Pay a deposit out, as a relayer does."""
    d = deposited
    relay = (
        d.depositor, d.recipient, d.exclusive_relayer, d.input_token, d.output_token, d.input_amount,
        d.output_amount, chain_number(d.origin), d.id, d.fill_deadline, d.exclusivity_deadline, d.message,
    )  # fmt: skip
    return _FILL.call(pool, relay, chain_number(d.origin), to_word(relayer))
