"""Events of an Aave pool. Balances are followed at the tokens: aTokens can be passed on without the pool."""

from typing import Final

from chains.caip import Address
from chains.events import ZERO_ADDRESS, Addresses, Names, VenueEvents
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.aave.account import VENUE

_PROVIDER: Final = Function("ADDRESSES_PROVIDER()", "(address)")
_CONFIGURATOR: Final = Function("getPoolConfigurator()", "(address)")
_RESERVES: Final = Function("getReservesList()", "(address[])")
_RESERVE: Final = Function(
    "getReserveData(address)",
    "(uint256,uint128,uint128,uint128,uint128,uint128,uint40,uint16,address,address,address)",
)
"""Up to the aToken, the stable debt (zero from 3.4 on) and the variable debt the same in every v3."""


async def contracts(client: ChainClient, names: Addresses, at: BlockRef) -> frozenset[Address]:
    """The pool, its configurator, and the tokens of every reserve.

    Raises Reverted or BadAnswer where the pool does not answer as one.
    """
    pool = names["pool"]
    provider, reserves = await client.call([_PROVIDER.call(pool), _RESERVES.call(pool)], at)
    (registry,), (tokens,) = _PROVIDER.decode(provider), _RESERVES.decode(reserves)
    answers = await client.call(
        [_CONFIGURATOR.call(registry), *(_RESERVE.call(pool, token) for token in tokens)], at
    )
    (configurator,) = _CONFIGURATOR.decode(answers[0])
    found = {token for answer in answers[1:] for token in _RESERVE.decode(answer)[8:11]}
    return frozenset({pool, configurator, *found}) - {ZERO_ADDRESS}


EVENTS: Final = VenueEvents(
    VENUE,
    {
        # Mint, burn and transfer of aTokens and debt tokens all come with it.
        "Transfer(address,address,uint256)": Names((1, 2)),
        "UserEModeSet(address,uint8)": Names((1,)),
        "ReserveUsedAsCollateralEnabled(address,address)": Names((2,)),
        "ReserveUsedAsCollateralDisabled(address,address)": Names((2,)),
        "SwapBorrowRateMode(address,address,uint8)": Names((2,)),
        "RebalanceStableBorrowRate(address,address)": Names((2,)),
        "ReserveInitialized(address,address,address,address,address)": Names(new_contract=True),
    },
    contracts,
)
dirty_accounts = EVENTS.dirty_accounts
