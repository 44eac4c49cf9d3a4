"""What the modules that deploy a venue share: the chain, its deployer, tokens and price feeds."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from web3.contract import Contract

from chains.caip import Address, ChainId, chain_id
from chains.deployments import AssetInfo
from chains.devnet.deploy import Deployer

PRICES: dict[str, Decimal] = {
    "ETH": Decimal(3000),
    "BTC": Decimal(60_000),
    "LINK": Decimal(15),
    "USDC": Decimal(1),
    "DAI": Decimal(1),
    "SUSD": Decimal(1),
}
"""Prices of the devnet at the start, US dollars by price key."""


@dataclass
class ChainContext:
    """One chain while it is being populated and driven."""

    number: int
    deployer: Deployer
    tokens: dict[str, Contract] = field(default_factory=dict)
    """Mintable ERC-20 contracts by symbol."""
    assets: list[AssetInfo] = field(default_factory=list)
    feeds: dict[str, Contract] = field(default_factory=dict)
    """EACAggregatorProxy by price key; what venues and readers use."""
    aggregators: dict[str, Contract] = field(default_factory=dict)
    """FluxAggregator behind each proxy; what prices are submitted to."""
    prices: dict[str, Decimal] = field(default_factory=dict)
    """Last price submitted to each feed."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Handles that one module leaves for another, by documented names."""

    @property
    def chain(self) -> ChainId:
        """CAIP-2 id."""
        return chain_id(self.number)

    def token(self, symbol: str) -> Address:
        """Address of a token."""
        return Address(self.tokens[symbol].address)

    def units(self, symbol: str, amount: Decimal | int | str) -> int:
        """Amount in the token's smallest unit."""
        decimals = next(info.decimals for info in self.assets if info.symbol == symbol)
        return int(Decimal(amount).scaleb(decimals))
