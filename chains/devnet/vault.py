"""A staked token on the devnet: OpenZeppelin's ERC-4626 vault over wrapped ether, with a reward paid in.

Nobody holds it and no margin counts it: it is there so that exchange rates are read from a real contract.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from web3.contract import Contract

from chains.caip import Address
from chains.deployments import RateFeed
from chains.devnet import tokens
from chains.devnet.artifacts import Artifact
from chains.devnet.context import ChainContext
from chains.devnet.packages import package_dir
from chains.devnet.solc import compile_sources
from chains.devnet.sources import closure

SOLC = "0.8.26"
SETTINGS = {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "cancun"}
SOURCE = "StakedEther.sol"
ASSET, PRICE_KEY, QUOTE_KEY = "WETH", "STAKED_ETH", "ETH"
STAKED, REWARD = Decimal(1000), Decimal(50)
EXTRA = "vault"
"""Key of ``ChainContext.extra`` under which the vault is left."""


@dataclass(frozen=True)
class VaultWorld:
    """The vault of one chain."""

    ctx: ChainContext
    contract: Contract

    @property
    def feed(self) -> RateFeed:
        """How a reader finds its rate."""
        return RateFeed(PRICE_KEY, QUOTE_KEY, Address(self.contract.address), "erc4626")

    def reward(self, amount: Decimal | int | str) -> None:
        """Pay ether in without new shares: the rate of all rises."""
        tokens.mint(self.ctx, ASSET, self.contract.address, amount)


@cache
def compiled() -> Artifact:
    """The vault; compiled once, then from the cache."""
    own = {SOURCE: (files("chains.devnet") / "solidity" / SOURCE).read_text()}
    roots = {"@openzeppelin/contracts/": package_dir("@openzeppelin/contracts")}
    library = closure(["@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol"], roots)
    return compile_sources(SOLC, own | library, SETTINGS, {"StakedEther": SOURCE})["StakedEther"]


def deploy(ctx: ChainContext) -> VaultWorld:
    """Deploy the vault, stake and pay the first reward: 1 share stands for 1.05 ether."""
    d = ctx.deployer
    vault = VaultWorld(ctx, d.deploy(compiled(), ctx.token(ASSET)))
    raw = tokens.mint(ctx, ASSET, d.owner, STAKED)
    tokens.approve(ctx, ASSET, d.owner, vault.contract.address)
    d.send(vault.contract.functions.deposit(raw, d.owner))
    vault.reward(REWARD)
    ctx.extra[EXTRA] = vault
    return vault
