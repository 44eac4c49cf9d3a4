"""Events of a spoke pool. A deposit proves its depositor; fills and refunds only concern accounts known by it."""

from typing import Final

from chains.caip import AccountId, ChainId, account_id, chain_id
from chains.errors import BadAnswer
from chains.events import Names, VenueEvents, to_address, topic
from chains.types import Log
from chains.venues.across.deposits import REFUNDED, VENUE, decode_refunds

_DEPOSITED: Final = (
    "FundsDeposited(bytes32,bytes32,uint256,uint256,uint256,uint256,uint32,uint32,uint32,"
    "bytes32,bytes32,bytes32,bytes)"
)
_FILLED: Final = (
    "FilledRelay(bytes32,bytes32,uint256,uint256,uint256,uint256,uint256,uint32,uint32,"
    "bytes32,bytes32,bytes32,bytes32,bytes32,(bytes32,bytes32,uint256,uint8))"
)
_SLOW_FILL: Final = (
    "RequestedSlowFill(bytes32,bytes32,uint256,uint256,uint256,uint256,uint32,uint32,"
    "bytes32,bytes32,bytes32,bytes32)"
)
_REFUNDED: Final = (
    "ExecutedRelayerRefundRoot(uint256,uint256,uint256[],uint32,uint32,address,address[],bool,address)"
)
_DEPOSITOR_WORD: Final = {topic(_FILLED): 8, topic(_SLOW_FILL): 7}
"""Which word of the data is the depositor; the first topic after the signature is the origin chain."""


def mentions(chain: ChainId, log: Log) -> frozenset[AccountId]:
    """Depositors on the origin of what was filled here, and receivers of refunds here.

    Raises BadAnswer where the log is cut short.
    """
    if not log.topics:
        return frozenset()
    if log.topics[0] == REFUNDED:
        return frozenset(account_id(chain, receiver) for _, _, receiver, _ in decode_refunds([log]))
    at = _DEPOSITOR_WORD.get(log.topics[0])
    if at is None:
        return frozenset()
    word = log.data[32 * at : 32 * at + 32]
    if len(log.topics) < 2 or len(word) < 32:
        raise BadAnswer(f"{VENUE}: fill of block {log.block_number} is cut short")
    origin = chain_id(int.from_bytes(log.topics[1]))
    return frozenset({account_id(origin, to_address(word))})


EVENTS: Final = VenueEvents(
    VENUE,
    {_DEPOSITED: Names((3,)), _FILLED: Names(), _SLOW_FILL: Names(), _REFUNDED: Names()},
    mentions=mentions,
)
dirty_accounts = EVENTS.dirty_accounts
