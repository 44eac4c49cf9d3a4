"""What stands behind bridged tokens: the escrow's balance at home against the supply on this chain, at one cut."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.caip import ChainId
from chains.deployments import BridgedToken
from chains.errors import ChainError
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import Call, Cut
from oracles.overlays import Backing

SUPPLY = Function("totalSupply()", "(uint256)")
BALANCE = Function("balanceOf(address)", "(uint256)")


@dataclass(frozen=True, slots=True)
class BackingReader:
    """Reads the backing of bridged tokens."""

    clients: Mapping[ChainId, ChainClient]
    tokens: Sequence[tuple[ChainId, BridgedToken]]
    """With the chain that each is bridged to."""

    async def read(self, cut: Cut) -> tuple[Backing, ...]:
        """One per price key; several chains under one escrow add up, and one that fails leaves it unknown."""
        keys = sorted({token.price_key for _, token in self.tokens})
        return tuple(await asyncio.gather(*(self._one(key, cut) for key in keys)))

    async def _one(self, key: str, cut: Cut) -> Backing:
        mine = [(chain, token) for chain, token in self.tokens if token.price_key == key]
        escrows = {(t.home_chain, t.home_token, t.escrow, t.home_decimals) for _, t in mine}
        try:
            supplies = [await self._ask(SUPPLY, c, SUPPLY.call(t.token), t.decimals, cut) for c, t in mine]
            held = [
                await self._ask(BALANCE, chain, BALANCE.call(token, escrow), decimals, cut)
                for chain, token, escrow, decimals in sorted(escrows)
            ]
        except (ChainError, KeyError) as error:
            return Backing(key, None, None, f"{type(error).__name__}: {error}"[:200])
        return Backing(key, sum(held, Decimal(0)), sum(supplies, Decimal(0)))

    async def _ask(self, function: Function, chain: ChainId, call: Call, decimals: int, cut: Cut) -> Decimal:
        (answer,) = await self.clients[chain].call([call], cut.blocks[chain])
        return Decimal(function.decode(answer)[0]).scaleb(-decimals)
