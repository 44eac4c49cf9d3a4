"""One venue on a lone chain, deployed once per module: each test finds it as it was, and a client of its chain.

A module gives ``chain``: what its deploy function returned (anything with ``ctx``) and the node.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chains.devnet.anvil import Anvil
from chains.evm.client import EvmClient
from tests.kit.venue_reads import client_of


@pytest.fixture
def world(chain: tuple[Any, Anvil]) -> Iterator[Any]:
    """The venue; state and prices are put back after the test."""
    ctx = chain[0].ctx
    mark, prices = ctx.deployer.rpc("evm_snapshot"), dict(ctx.prices)
    yield chain[0]
    ctx.deployer.rpc("evm_revert", mark)
    ctx.prices.update(prices)


@pytest.fixture
async def client(chain: tuple[Any, Anvil]) -> AsyncIterator[EvmClient]:
    async with client_of(chain[0].ctx, chain[1]) as opened:
        yield opened
