"""Events of Derive v2: creating and passing on a sub-account name its owner, changes of its balances name its id.

The exchange keeps the NFTs of those who trade on it; whose they are it tells by subAccountToOwner.
Source: derivexyz/v2-core, ISubAccounts.
"""

from collections.abc import Collection, Mapping
from typing import Final

from chains.caip import Address
from chains.events import OWNER_OF, Addresses, Names, VenueEvents
from chains.evm.abi import Function
from chains.evm.batch import Batch
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.derive.decode import VENUE

MATCHED_OWNER: Final = Function("subAccountToOwner(uint256)", "(address)")


async def contracts(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """The NFTs and the exchange that keeps them."""
    return frozenset({names["sub_accounts"], names["matching"]})


async def owners(
    client: ChainClient, names: Addresses, ids: Collection[int], at: BlockRef
) -> Mapping[int, Address]:
    """Whose the sub-accounts are; those that are burned are left out."""
    batch = Batch()
    for sub_account in ids:
        batch.ask((sub_account, "owner"), OWNER_OF, names["sub_accounts"], sub_account)
        batch.ask((sub_account, "matched"), MATCHED_OWNER, names["matching"], sub_account)
    await batch.run(client, at)
    found = ((sub_account, owner_of(sub_account, batch, names["matching"])) for sub_account in ids)
    return {sub_account: owner for sub_account, owner in found if owner is not None}


def owner_of(sub_account: int, batch: Batch, matching: Address) -> Address | None:
    """The NFT's owner, or whom the exchange keeps it for. None where it was burned."""
    if not batch.answered((sub_account, "owner")):
        return None
    owner = Address(batch.value((sub_account, "owner")))
    if owner == matching and batch.answered((sub_account, "matched")):
        return Address(batch.value((sub_account, "matched")))
    return owner


EVENTS: Final = VenueEvents(
    VENUE,
    {
        "AccountCreated(address,uint256,address)": Names((1,)),
        "DepositedSubAccount(uint256,address)": Names((2,)),
        "Transfer(address,address,uint256)": Names((1, 2), passes=3),
        "BalanceAdjusted(uint256,address,(address,uint96),int256,int256,int256)": Names(ids=(1,)),
        "AccountManagerChanged(uint256,address,address)": Names(ids=(1,)),
    },
    contracts,
    owners=owners,
)
dirty_accounts = EVENTS.dirty_accounts
