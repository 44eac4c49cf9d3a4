"""What members of the cast do on one chain. Amounts suit the first prices of the devnet (ETH 3000, BTC 60,000)."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar

from chains.devnet import aave36, chainlink, tokens, uniswap
from chains.devnet.aave import STABLES_EMODE, AaveWorld
from chains.devnet.chain_world import ChainWorld
from chains.devnet.lyra import LyraWorld, OptionType
from chains.devnet.perp import PerpWorld

ETHEREUM, ARBITRUM, OPTIMISM, BASE = 1, 42161, 10, 8453
T = TypeVar("T")


def there(venue: T | None) -> T:
    """The venue of the chain; raises LookupError where the chain has none."""
    if venue is None:
        raise LookupError("the chain has no such venue")
    return venue


def _perp(world: ChainWorld, user: str, usdc: int, key: str, size: int | Decimal) -> None:
    perp: PerpWorld = there(world.perp)
    perp.deposit(user, usdc)
    perp.open(user, key, size)


def _aave(world: ChainWorld) -> AaveWorld:
    return there(world.aave)


def spend(world: ChainWorld, user: str, symbol: str = "USDC") -> None:
    """Pay all of a token away: who borrows does so for a purpose, and idle loans would be a reserve."""
    token = world.ctx.tokens[symbol].functions
    held = token.balanceOf(user).call()
    world.ctx.deployer.send(token.transfer(world.ctx.deployer.owner, held), sender=user)


# --- hedged-pair ---


def perp_long_200(world: ChainWorld, user: str) -> None:
    """600,000 long on 120,000: five times."""
    _perp(world, user, 120_000, "ETH", 200)
    tokens.mint(world.ctx, "USDC", user, 60_000)


def synthetix_short_200(world: ChainWorld, user: str) -> None:
    """The other leg, isolated, in sUSD."""
    synthetix = there(world.synthetix)
    synthetix.mint_susd(user, 150_000)
    synthetix.deposit(user, "sETHPERP", 120_000)
    synthetix.trade(user, "sETHPERP", -200)


# --- leverage-loop ---

LOOP_ROUNDS = 3
LOOP_SHARE = Decimal("0.68")
"""Part of each round's collateral value that is borrowed."""


def leverage_loop(world: ChainWorld, user: str) -> None:
    """Supply WETH, borrow USDC, buy WETH on Uniswap, again."""
    ctx, lender = world.ctx, _aave(world)
    router = ctx.extra[uniswap.EXTRA].router
    tokens.mint(ctx, "WETH", user, 100)
    tokens.approve(ctx, "USDC", user, router.address)
    for _ in range(LOOP_ROUNDS):
        held = ctx.tokens["WETH"].functions.balanceOf(user).call()
        amount = Decimal(held).scaleb(-18)
        lender.supply(user, "WETH", amount, mint=False)
        lender.borrow(user, "USDC", (amount * ctx.prices["ETH"] * LOOP_SHARE).quantize(Decimal("0.01")))
        uniswap.sell(ctx, user, "USDC", "WETH")
    lender.supply(
        user, "WETH", Decimal(ctx.tokens["WETH"].functions.balanceOf(user).call()).scaleb(-18), mint=False
    )
    uniswap.align_all(ctx)


# --- basis-trade ---


def basis_spot(world: ChainWorld, user: str) -> None:
    """Spot leg, as collateral with a loan that pays the short's collateral."""
    _aave(world).supply(user, "WETH", 300)
    _aave(world).borrow(user, "USDC", 300_000)
    spend(world, user)
    tokens.mint(world.ctx, "WETH", user, 20)


def basis_short(world: ChainWorld, user: str) -> None:
    """Short leg on the borrowed dollars."""
    _perp(world, user, 300_000, "ETH", -320)


# --- short-strangle ---


def strangle(world: ChainWorld, user: str) -> None:
    """Short 60 calls at 3400 and 60 puts at 2600, 30 days, partly collateralised in quote."""
    lyra: LyraWorld = there(world.lyra)
    lyra.update_greeks()
    lyra.fund(user, quote=400_000)
    lyra.open_short(user, lyra.strike(3400), OptionType.SHORT_CALL_QUOTE, 60, 90_000)
    lyra.open_short(user, lyra.strike(2600), OptionType.SHORT_PUT_QUOTE, 60, 70_000)


def strangle_hedge(world: ChainWorld, user: str) -> None:
    """Buy what the strangle is short of: calls weigh more than puts."""
    _perp(world, user, 20_000, "ETH", 9)


# --- lenders and borrowers ---


def lend_usdc(world: ChainWorld, user: str) -> None:
    """A stablecoin deposit and no debt."""
    _aave(world).supply(user, "USDC", 500_000)


def lend_weth(world: ChainWorld, user: str) -> None:
    """A small loan against a lot."""
    _aave(world).supply(user, "WETH", 100)
    _aave(world).borrow(user, "USDC", 60_000)


def borrow_to_the_edge(world: ChainWorld, user: str) -> None:
    """Health factor 1.032: 50 WETH x 3000 x 0.83 over 120,600."""
    _aave(world).supply(user, "WETH", 50)
    _aave(world).borrow(user, "USDC", 120_600)
    spend(world, user)


def borrow_before_the_fall(world: ChainWorld, user: str) -> None:
    """Borrow all that a price 12 % higher allows; health factor 0.92 when it is back."""
    with raised(world, "ETH", Decimal("1.12")):
        _aave(world).supply(user, "WETH", 20)
        _aave(world).borrow(user, "USDC", 54_000)
    spend(world, user)


def borrow_on_link(world: ChainWorld, user: str) -> None:
    """Collateral that only one, silent feed prices."""
    _aave(world).supply(user, "LINK", 10_000)
    _aave(world).borrow(user, "USDC", 50_000)
    spend(world, user)


def stable_carry(world: ChainWorld, user: str) -> None:
    """Health factor 1.033 in e-mode: 1,000,000 x 0.95 over 920,000."""
    lender = _aave(world)
    lender.supply(user, "USDC", 1_000_000)
    lender.set_emode(user, STABLES_EMODE)
    lender.borrow(user, "DAI", 920_000)
    spend(world, user, "DAI")
    tokens.mint(world.ctx, "DAI", user, 25_000)


def wbtc_loan(world: ChainWorld, user: str) -> None:
    """Health factor 1.30: 5 WBTC x 60,000 x 0.78 over 180,000."""
    _aave(world).supply(user, "WBTC", 5)
    _aave(world).borrow(user, "USDC", 180_000)
    spend(world, user)
    tokens.mint(world.ctx, "USDC", user, 30_000)


@contextmanager
def raised(world: ChainWorld, price_key: str, factor: Decimal) -> Iterator[None]:
    """A higher round of a feed for a while, then the price of before."""
    base = world.ctx.prices[price_key]
    chainlink.submit(world.ctx, price_key, base * factor)
    yield
    chainlink.submit(world.ctx, price_key, base)


# --- in-transit ---


def send_to_arbitrum(world: ChainWorld, user: str) -> None:
    """A deposit that no relayer has filled yet."""
    there(world.across).deposit(user, "USDC", 150_000, ARBITRUM)


def perp_long_awaiting(world: ChainWorld, user: str) -> None:
    """450,000 long on 130,000."""
    _perp(world, user, 130_000, "ETH", 150)


# --- morpho-borrower ---


def morpho_loan(world: ChainWorld, user: str) -> None:
    """Health 1.15: 60 WETH x 3000 x 0.86 over 134,600."""
    morpho = there(world.morpho)
    morpho.supply_collateral(user, "WETH", 60)
    morpho.borrow(user, "WETH", 134_600)
    spend(world, user)
    tokens.mint(world.ctx, "USDC", user, 40_000)


# --- treasury ---


def reserves(world: ChainWorld, user: str) -> None:
    """Idle funds."""
    tokens.mint(world.ctx, "USDC", user, 250_000)
    tokens.mint(world.ctx, "WETH", user, 40)


def cold_storage(world: ChainWorld, user: str) -> None:
    """WBTC and DAI that nobody trades with."""
    tokens.mint(world.ctx, "WBTC", user, 10)
    tokens.mint(world.ctx, "DAI", user, 300_000)


def covered_short(world: ChainWorld, user: str) -> None:
    """A short of part of the treasury's ether."""
    _perp(world, user, 150_000, "ETH", -100)


# --- correlated-book ---


def perp_long_eth(world: ChainWorld, user: str) -> None:
    """Long leg."""
    _perp(world, user, 130_000, "ETH", 200)


def perp_short_btc(world: ChainWorld, user: str) -> None:
    """Short leg of the same value."""
    _perp(world, user, 130_000, "BTC", -10)


# --- far-from-funds ---


def thin_long(world: ChainWorld, user: str) -> None:
    """300,000 long on 54,000: twelve percent from liquidation."""
    _perp(world, user, 54_000, "ETH", 100)


def idle_usdc(world: ChainWorld, user: str) -> None:
    """What could save it."""
    tokens.mint(world.ctx, "USDC", user, 400_000)


# --- liquidity-provider ---


def eth_range(world: ChainWorld, user: str) -> None:
    """ETH between 2600 and 3450 dollars: the crash turns all of it into ETH."""
    uniswap.provide(world.ctx, user, "ETH", (Decimal(2600), Decimal(3450)), 40_000)


def btc_range_above(world: ChainWorld, user: str) -> None:
    """BTC on offer between 63,000 and 70,000 dollars: above the price, so all of it is still BTC."""
    uniswap.provide(world.ctx, user, "BTC", (Decimal(63_000), Decimal(70_000)), 25_000)


def ether_mode_loan(world: ChainWorld, user: str) -> None:
    """USDC against WETH and DAI in an e-mode that holds both, and WBTC that the mode does not hold."""
    market = _aave(world)
    market.set_emode(user, aave36.ETHER_EMODE)
    for symbol, amount in (("WETH", 12), ("DAI", 8_000), ("WBTC", "0.1")):
        market.supply(user, symbol, amount)
    market.borrow(user, "USDC", 26_000)
    spend(world, user)
