"""Events of GMX v2: one emitter for all, which writes the event's name (hashed) and its subject as topics.

``PositionIncrease`` and ``PositionDecrease`` carry the account as subject. What else changes an account (claims,
the rules of a market) does not name it, so the index finds accounts by these and keeps no state.
Source: gmx-io/gmx-synthetics, EventEmitter.sol, EventUtils.sol and PositionEventUtils.sol.
"""

from typing import Final

from chains.caip import Address
from chains.events import Addresses, Names, VenueEvents
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.gmx.decode import VENUE

_ITEMS = ("address", "uint256", "int256", "bool", "bytes32", "bytes", "string")
EVENT_DATA = "(" + ",".join(f"((string,{item})[],(string,{item}[])[])" for item in _ITEMS) + ")"
"""EventUtils.EventLogData: named items and arrays of every type."""
SIGNATURE = f"EventLog1(address,string,string,bytes32,{EVENT_DATA})"


async def contracts(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """The emitter; nothing where the deployment does not list it."""
    return frozenset({names["event_emitter"]} if "event_emitter" in names else ())


EVENTS: Final = VenueEvents(
    VENUE,
    {SIGNATURE: Names((2,), kinds=("PositionIncrease", "PositionDecrease"))},
    contracts,
    complete=False,
)
dirty_accounts = EVENTS.dirty_accounts
