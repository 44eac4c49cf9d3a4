"""Mintable tokens of the devnet: Aave's MintableERC20 for all (WETH too, so that any amount can be dealt)."""

from collections.abc import Collection
from decimal import Decimal

from chains.caip import Address, erc20, native
from chains.deployments import AssetInfo
from chains.devnet.artifacts import find
from chains.devnet.context import ChainContext

TOKENS = (
    # symbol, decimals, price key, risk factor, basis of the wrapped form, peg
    ("WETH", 18, "ETH", "ETH", "", ""),
    ("WBTC", 8, "BTC", "BTC", "WBTC", ""),
    ("LINK", 18, "LINK", "LINK", "", ""),
    ("USDC", 6, "USDC", "USDC", "", "USD"),
    ("DAI", 18, "DAI", "DAI", "", "USD"),
)


def deploy(ctx: ChainContext, *, without: Collection[str] = ()) -> None:
    """Deploy the tokens, but for the symbols in ``without``; register them and the chain's own coin as assets."""
    artifact = find("@aave/core-v3", "MintableERC20")
    ctx.assets.append(AssetInfo(native(ctx.chain), "ETH", 18, "ETH", "ETH"))
    for symbol, decimals, price_key, factor, basis, peg in TOKENS:
        if symbol in without:
            continue
        contract = ctx.deployer.deploy(artifact, symbol, symbol, decimals)
        ctx.tokens[symbol] = contract
        asset = erc20(ctx.chain, Address(contract.address))
        ctx.assets.append(AssetInfo(asset, symbol, decimals, price_key, factor, basis, peg))


def mint(ctx: ChainContext, symbol: str, to: str, amount: Decimal | int | str) -> int:
    """Give tokens to an address; returns the raw amount."""
    raw = ctx.units(symbol, amount)
    function = ctx.tokens[symbol].get_function_by_signature("mint(address,uint256)")
    ctx.deployer.send(function(to, raw))
    return raw


def approve(ctx: ChainContext, symbol: str, owner: str, spender: str) -> None:
    """Let a contract take any amount of the owner's tokens."""
    ctx.deployer.send(ctx.tokens[symbol].functions.approve(spender, 2**256 - 1), sender=owner)
