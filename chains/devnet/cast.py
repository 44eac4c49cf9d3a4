"""The cast: portfolios that really exist on the devnet, chosen so that every status of the ladder occurs.

Addresses are accounts of anvil's public test mnemonic, the same on every chain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chains.caip import Address, account_id, chain_id
from chains.devnet import acts
from chains.devnet.acts import ARBITRUM, BASE, ETHEREUM, OPTIMISM
from chains.devnet.chain_world import CHAINS, ChainWorld
from chains.devnet.worldfile import Portfolio

FIRST_ACCOUNT = 32
"""Index of the cast's first account; the earlier ones belong to the deployers of the venues."""

POCKET_WEI = 2 * 10**15
"""Ether for gas on each chain."""

Act = Callable[[ChainWorld, str], None]


@dataclass(frozen=True)
class Member:
    """One portfolio: what each of its addresses does on each chain."""

    name: str
    about: str
    addresses: tuple[Mapping[int, Act], ...]


MEMBERS: tuple[Member, ...] = (
    Member(
        "hedged-pair",
        "Long 200 ETH on Arbitrum against a short of 200 ETH on Optimism: netted it is nearly flat.",
        ({ARBITRUM: acts.perp_long_200, OPTIMISM: acts.synthetix_short_200},),
    ),
    Member(
        "leverage-loop",
        "WETH on Aave, looped through USDC and Uniswap on Ethereum.",
        ({ETHEREUM: acts.leverage_loop},),
    ),
    Member(
        "basis-trade",
        "Spot WETH on Ethereum against a short perpetual on Arbitrum.",
        ({ETHEREUM: acts.basis_spot, ARBITRUM: acts.basis_short},),
    ),
    Member(
        "short-strangle",
        "Short options on Optimism, their delta hedged on Arbitrum.",
        ({OPTIMISM: acts.strangle, ARBITRUM: acts.strangle_hedge},),
    ),
    Member(
        "steady-lender",
        "A lender with a small debt and a stablecoin deposit.",
        ({BASE: acts.lend_usdc, ARBITRUM: acts.lend_weth},),
    ),
    Member(
        "thin-borrower",
        "Close to liquidation on Aave and nothing anywhere to add.",
        ({ARBITRUM: acts.borrow_to_the_edge},),
    ),
    Member(
        "underwater",
        "Liquidatable since the price fell after the loan was taken.",
        ({BASE: acts.borrow_before_the_fall},),
    ),
    Member(
        "in-transit",
        "A long on Arbitrum whose reinforcement is still on the bridge from Ethereum.",
        ({ETHEREUM: acts.send_to_arbitrum, ARBITRUM: acts.perp_long_awaiting},),
    ),
    Member(
        "stale-feed",
        "LINK collateral whose only price feed has been silent for two hours.",
        ({ETHEREUM: acts.borrow_on_link},),
    ),
    Member("empty", "An address without any position.", ({},)),
    Member(
        "morpho-borrower",
        "An isolated Morpho loan on Base, with USDC at hand on the same chain.",
        ({BASE: acts.morpho_loan},),
    ),
    Member(
        "treasury",
        "Two addresses with idle funds on all four chains and a covered short.",
        (
            {ETHEREUM: acts.reserves, ARBITRUM: acts.reserves, OPTIMISM: acts.reserves, BASE: acts.reserves},
            {ETHEREUM: acts.cold_storage, OPTIMISM: acts.covered_short},
        ),
    ),
    Member(
        "correlated-book",
        "Long ETH on Arbitrum, short BTC on Optimism: a hedge as good as the correlation.",
        ({ARBITRUM: acts.perp_long_eth, OPTIMISM: acts.perp_short_btc},),
    ),
    Member(
        "far-from-funds",
        "A thin long on Optimism whose owner keeps the money on Base.",
        ({OPTIMISM: acts.thin_long, BASE: acts.idle_usdc},),
    ),
    Member(
        "stable-carry",
        "USDC against DAI in Aave's stablecoin mode: harmless until a peg breaks.",
        ({BASE: acts.stable_carry},),
    ),
    Member(
        "wbtc-saver",
        "WBTC on Aave with a moderate loan; the crash brings it close.",
        ({OPTIMISM: acts.wbtc_loan},),
    ),
    Member(
        "liquidity-provider",
        "Uniswap ranges around ETH and above BTC, and a loan against ETH in Aave v3.6's mode for it.",
        ({ARBITRUM: acts.eth_range, OPTIMISM: acts.btc_range_above, BASE: acts.ether_mode_loan},),
    ),
)


def place(world: ChainWorld) -> None:
    """Put the cast's positions of one chain in place."""
    for address, chains in _addresses(world.ctx.deployer.accounts):
        if act := chains.get(world.ctx.number):
            act(world, address)
        # anvil gives every test account 10,000 ether, which would rescue anybody from anything.
        world.ctx.deployer.rpc("anvil_setBalance", address, hex(POCKET_WEI if chains else 0))


def portfolios(accounts: Sequence[Address]) -> tuple[Portfolio, ...]:
    """Names and accounts of the cast: every address on every chain."""
    by_member = iter(_addresses(accounts))
    found = []
    for member in MEMBERS:
        addresses = [next(by_member)[0] for _ in member.addresses]
        ids = tuple(account_id(chain_id(number), address) for address in addresses for number in CHAINS)
        found.append(Portfolio(member.name, member.about, ids))
    return tuple(found)


def _addresses(accounts: Sequence[Address]) -> list[tuple[Address, Mapping[int, Act]]]:
    chains = [chains for member in MEMBERS for chains in member.addresses]
    return list(zip(accounts[FIRST_ACCOUNT:], chains, strict=False))
