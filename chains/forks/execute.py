"""Unsigned transactions tried on forks: sent as their sender, without its key, and bridged money paid out."""

from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final

from chains.caip import Address, ChainId
from chains.deployments import ChainDeployment
from chains.devnet import anvil
from chains.devnet.anvil import AnvilError
from chains.errors import BadAnswer, ChainError
from chains.transactions import Transaction
from chains.types import Call, Log
from chains.venues.across.calldata import fill
from chains.venues.across.deposits import DEPOSITED, VENUE, Deposit, decode_deposit, to_address

RELAYER: Final = Address("0x00000000000000000000000000000000c0FFee01")
GAS_MONEY: Final = hex(10**18)
MOST_GAS: Final = 25_000_000
"""Below the block limit of a fork."""
_APPROVE_ALL: Final = "0x095ea7b3"
MAX: Final = "f" * 64


class SimulationFailed(ChainError):
    """A transaction of a plan does not go through on a fork; says which one and why, never an endpoint."""


def send(url: str, transaction: Transaction) -> tuple[Log, ...]:
    """Mine one transaction on a fork and return its logs; raises SimulationFailed with the contract's reason."""
    call = Call(transaction.to, transaction.data)
    return _mined(url, transaction.sender, call, transaction.about, transaction.value)


def pay_out(urls: Mapping[ChainId, str], deployments: Mapping[ChainId, ChainDeployment], deposit: Deposit) -> None:
    """Fill a deposit on its destination as a relayer who is given what that takes."""
    url, pool = urls[deposit.destination], deployments[deposit.destination].venues[VENUE]["spoke_pool"]
    token = to_address(deposit.output_token)
    _ask(url, "anvil_setBalance", RELAYER, GAS_MONEY)
    _ask(url, "anvil_dealERC20", RELAYER, token, hex(deposit.output_amount))
    allow = Call(token, bytes.fromhex(_APPROVE_ALL[2:] + "0" * 24 + pool[2:].lower() + MAX))
    _mined(url, RELAYER, allow, "let the relayer pay")
    _mined(url, RELAYER, fill(deposit, pool, RELAYER), "pay the bridged money out")


def deposits_of(chain: ChainId, logs: tuple[Log, ...], pool: Address) -> tuple[Deposit, ...]:
    """Across deposits that a transaction made."""
    mine = [log for log in logs if log.address.lower() == pool.lower() and log.topics[:1] == (DEPOSITED,)]
    return tuple(decode_deposit(chain, log) for log in mine)


def snapshot(url: str) -> str:
    """Remember a fork's state; an id serves one ``revert``."""
    return str(_ask(url, "evm_snapshot"))


def revert(url: str, id_: str) -> None:
    """Go back to a snapshot."""
    if _ask(url, "evm_revert", id_) is not True:
        raise SimulationFailed(f"snapshot {id_} of a fork was used already")


def meet(urls: Mapping[ChainId, str]) -> None:
    """Mine a block of one timestamp on every fork, so that one cut shows all that was done on any of them."""
    heads = [_ask(url, "eth_getBlockByNumber", "latest", False) for url in urls.values()]
    stamp = max(int(head["timestamp"], 16) for head in heads) + 1
    for url in urls.values():
        _ask(url, "evm_setNextBlockTimestamp", stamp)
        _ask(url, "evm_mine")


def _mined(url: str, sender: Address, call: Call, about: str, value: int = 0) -> tuple[Log, ...]:
    wanted = {
        "from": sender,
        "to": call.to,
        "data": "0x" + call.data.hex(),
        "value": hex(value),
        "gasPrice": "0x0",
    }
    try:
        gas = int(_ask(url, "eth_estimateGas", wanted), 16)  # a revert says why here
        # A pool writes more in the first trade of a second than the estimate, which may be of the second before.
        receipt = _ask(url, "eth_sendTransactionSync", wanted | {"gas": hex(max(gas, min(2 * gas, MOST_GAS)))})
    except SimulationFailed as error:
        raise SimulationFailed(f"{about}: {error}") from None
    if int(receipt["status"], 16) != 1:
        raise SimulationFailed(f"{about}: reverted")
    return tuple(map(_log, receipt["logs"]))


def _log(raw: Mapping[str, Any]) -> Log:
    try:
        return Log(
            address=Address(raw["address"]),
            topics=tuple(bytes.fromhex(topic[2:]) for topic in raw["topics"]),
            data=bytes.fromhex(raw["data"][2:]),
            block_number=int(raw["blockNumber"], 16),
            block_hash=raw["blockHash"],
            transaction_hash=raw["transactionHash"],
            log_index=int(raw["logIndex"], 16),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"a log of a fork cannot be read: {error}") from None


def _ask(url: str, method: str, *params: Any) -> Any:
    try:
        return anvil.rpc(url, method, *params)
    except AnvilError as error:
        raise SimulationFailed(str(error)) from None
    except (OSError, ValueError, HTTPException):
        raise SimulationFailed(f"{method}: the fork did not answer") from None
