"""Bringing Perp v2's funding up to the head of a fork, before prices are moved there.

Pending funding is the time since the last settlement times the present premium of the pool over the index, so
moving either would rewrite what happened before the move. Settled at the head, no time is left to be rewritten.
"""

from collections.abc import Sequence
from typing import Any

from chains.accounts import PositionKind, VenueAccount
from chains.caip import account_address
from chains.deployments import ChainDeployment
from chains.errors import ChainError
from chains.evm.abi import Function
from chains.evm.rpc import Request, RpcFault
from chains.protocols import Transport
from chains.venues import perp

GAS = hex(10_000_000)
_SETTLE = Function("settleAllFunding(address)")


class CannotSettle(ChainError):
    """Funding could not be settled on the fork; names the account and the contract's reason."""


async def settle_funding(
    transport: Transport, deployment: ChainDeployment, accounts: Sequence[VenueAccount]
) -> bool:
    """Settle everybody's funding in one block, in their own name; false where nobody has any."""
    holders = [a for a in accounts if a.venue == perp.VENUE and _trades(a)]
    if not holders:
        return False
    house = deployment.venues[perp.VENUE]["clearing_house"]
    calls: list[Request] = [("evm_setAutomine", [False])]
    for holder in holders:
        trader = account_address(holder.account)
        data = "0x" + _SETTLE.call(house, trader).data.hex()
        order = {"from": trader, "to": house, "data": data, "gas": GAS, "gasPrice": "0x0"}
        calls.append(("eth_sendTransaction", [order]))
    calls += [("evm_mine", []), ("evm_setAutomine", [True])]
    hashes = (await _sent(transport, calls))[1:-2]
    receipts = await _sent(transport, [("eth_getTransactionReceipt", [one]) for one in hashes])
    for holder, receipt in zip(holders, receipts, strict=True):
        if receipt is None or int(receipt["status"], 16) != 1:
            raise CannotSettle(f"{holder.id}: funding could not be settled on the fork")
    return True


def _trades(account: VenueAccount) -> bool:
    return any(position.kind is PositionKind.PERP for position in account.positions)


async def _sent(transport: Transport, requests: Sequence[Request]) -> list[Any]:
    """Answers one after another: a batch might be done in any order."""
    answers = []
    for request in requests:
        (answer,) = await transport.send([request])
        if isinstance(answer, RpcFault):
            raise CannotSettle(f"{request[0]} on the fork: {answer.message}")
        answers.append(answer)
    return answers
