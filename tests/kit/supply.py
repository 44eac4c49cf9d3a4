"""Something that happens at a venue."""

from chains.devnet import tokens


def supply_for(chain, user: str, usdc: int) -> None:
    """Somebody else supplies on behalf of the user."""
    ctx, pool = chain.ctx, chain.aave.pool
    raw = tokens.mint(ctx, "USDC", ctx.deployer.owner, usdc)
    tokens.approve(ctx, "USDC", ctx.deployer.owner, pool.address)
    ctx.deployer.send(pool.functions.supply(ctx.token("USDC"), raw, user, 0))
