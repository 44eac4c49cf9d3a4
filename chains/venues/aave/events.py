"""Events of an Aave pool. Balances are followed at the tokens, because aTokens can be passed on without the pool."""

from typing import Final

from chains.caip import Address
from chains.errors import BadAnswer
from chains.events import Addresses, Names, VenueEvents
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.aave.account import VENUE

_PROVIDER: Final = Function("ADDRESSES_PROVIDER()", "(address)")
_CONFIGURATOR: Final = Function("getPoolConfigurator()", "(address)")
_RESERVES: Final = Function("getReservesList()", "(address[])")
_DATA_PROVIDER: Final = Function("getPoolDataProvider()", "(address)")
_TOKENS: Final = Function("getReserveTokensAddresses(address)", "(address,address,address)")
"""aToken, stable debt (zero from 3.4 on) and variable debt: the shape is the same in every v3."""


async def contracts(client: ChainClient, names: Addresses, at: BlockRef) -> frozenset[Address]:
    """The pool, its configurator, and the tokens of every reserve.

    Raises Reverted or BadAnswer where the pool does not answer as one.
    """
    pool = names["pool"]
    provider, reserves = await client.call([_PROVIDER.call(pool), _RESERVES.call(pool)], at)
    (registry,), (tokens,) = _PROVIDER.decode(provider), _RESERVES.decode(reserves)
    first = await client.call([_CONFIGURATOR.call(registry), _DATA_PROVIDER.call(registry)], at)
    (configurator,), (helper,) = _CONFIGURATOR.decode(first[0]), _DATA_PROVIDER.decode(first[1])
    if int(helper, 16) == 0:
        raise BadAnswer(f"{VENUE}: the pool's address provider names no data provider")
    answers = await client.call([_TOKENS.call(helper, token) for token in tokens], at)
    found = {token for answer in answers for token in _TOKENS.decode(answer) if int(token, 16)}
    return frozenset({pool, configurator, *found})


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
