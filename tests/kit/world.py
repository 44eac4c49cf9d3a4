"""Hand-made worlds for the report maker: accounts and prices without a chain."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from aggregator.config import ModelSettings
from aggregator.model import load_model
from aggregator.portfolios import Portfolios
from aggregator.registry import AssetRegistry
from aggregator.reports import ReportMaker, World
from chains.accounts import Position, PositionKind, ReadFailure, ReadResult, VenueAccount, VenueId
from chains.caip import AccountId, ChainId, account_chain, account_id, erc20, parse_address
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Fixed, Perp, Spot
from chains.types import BlockRef, Cut, Finality
from oracles.params import load_params
from oracles.types import Quote, Quotes

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
CHAINS = (ChainId("eip155:1"), ChainId("eip155:42161"))
OWNER = parse_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
TOKENS = {
    "WETH": ("ETH", "ETH", "", 1),
    "WBTC": ("BTC", "BTC", "", 2),
    "USDC": ("USDC", "USDC", "USD", 3),
    "XYZ": ("XYZ", "XYZ", "", 4),
}
PRICES = {"ETH": Decimal(3000), "BTC": Decimal(60_000), "USDC": Decimal(1)}


def token(chain: ChainId, symbol: str):
    return erc20(chain, parse_address(f"0x{TOKENS[symbol][3]:040x}"))


def account(chain: ChainId) -> AccountId:
    return account_id(chain, OWNER)


def registry() -> AssetRegistry:
    infos = {
        token(chain, symbol): AssetInfo(token(chain, symbol), symbol, 18, key, factor, "", peg)
        for chain in CHAINS
        for symbol, (key, factor, peg, _) in TOKENS.items()
    }
    return AssetRegistry(infos)


_MAKERS: dict[str, ReportMaker] = {}


def maker(reaction: str = "keeper") -> ReportMaker:
    if reaction not in _MAKERS:
        model = load_model(ModelSettings(reaction=reaction, bridges=("across", "canonical")), CHAINS)
        _MAKERS[reaction] = ReportMaker(
            registry(), model, load_params(), dict(zip(CHAINS, ("one", "two"), strict=True))
        )
    return _MAKERS[reaction]


def block(chain: ChainId) -> BlockRef:
    return BlockRef(chain, 100, "0x" + "11" * 32, "0x" + "22" * 32, NOW_S - 2, Finality.LATEST)


def quotes(prices: Mapping[str, Decimal] | None = None) -> Quotes:
    """Three agreeing groups for every price."""
    given = PRICES if prices is None else prices
    return Quotes(
        tuple(
            Quote(key, f"{group}@test", group, price, price / 2000, NOW_S - 5, NOW_S)
            for key, price in given.items()
            for group in ("chainlink", "pyth", "uniswap")
        )
    )


def holding(chain: ChainId, symbol: str, amount: str, haircut: str = "0.05") -> VenueAccount:
    """Idle tokens."""
    units = Decimal(amount)
    exposure = Exposure(Spot(token(chain, symbol)), value=units, equity=units * (1 - Decimal(haircut)))
    return _account(chain, "wallet", (exposure,), None, Decimal(0))


def loan(chain: ChainId, collateral: str, debt: str, price: Decimal = PRICES["ETH"]) -> VenueAccount:
    """WETH collateral at a threshold of 80 % against USDC."""
    weth, usdc = Spot(token(chain, "WETH"), price), Spot(token(chain, "USDC"), Decimal(1))
    units, owed = Decimal(collateral), Decimal(debt)
    exposures = (
        Exposure(weth, value=units, equity=units * Decimal("0.8")),
        Exposure(usdc, value=-owed, requirement=owed),
    )
    equity = units * Decimal("0.8") * price
    return _account(chain, "lender", exposures, equity, owed, withdrawable=max(Decimal(0), equity - owed))


def perp(chain: ChainId, size: str, deposit: str, price: Decimal = PRICES["ETH"]) -> VenueAccount:
    """A linear perpetual entered at the present price, maintenance 5 %, USDC at par."""
    units, cash = Decimal(size), Decimal(deposit)
    mark = Perp(token(chain, "WETH"), f"venue/{chain}/ETH", price)
    exposures = (
        Exposure(mark, value=units, equity=units, requirement=abs(units) * Decimal("0.05")),
        Exposure(Fixed(), value=-units * price, equity=cash - units * price),
        Exposure(Spot(token(chain, "USDC")), value=cash),
    )
    mm = abs(units) * price * Decimal("0.05")
    return _account(chain, "perps", exposures, cash, mm, withdrawable=max(Decimal(0), cash - 2 * mm))


def _account(chain, venue, exposures, equity, mm, withdrawable=None) -> VenueAccount:
    position = Position(PositionKind.HOLDING, token(chain, "WETH"), "leg", 1, 0, None)
    liquidatable = None if equity is None else equity < mm
    return VenueAccount(
        account(chain), VenueId(venue), "", block(chain), (position,), exposures, equity, mm, (), liquidatable,
        withdrawable_usd=withdrawable,
    )  # fmt: skip


def report(
    accounts: Iterable[VenueAccount],
    *,
    prices: Mapping[str, Decimal] | None = None,
    failures: Iterable[ReadFailure] = (),
    paused: frozenset[str] = frozenset(),
    reaction: str = "keeper",
    made_by: ReportMaker | None = None,
):
    """The report of one portfolio that holds the accounts."""
    found = tuple(accounts)
    members = tuple(account(chain) for chain in CHAINS)
    cut = Cut({chain: block(chain) for chain in CHAINS})
    read = ReadResult(found, tuple(failures))
    assert all(account_chain(a.account) in CHAINS for a in found)
    world = World(NOW, cut, Portfolios({"p": members}), (read,), quotes(prices), paused)
    (made,) = (made_by or maker(reaction)).make(world)
    return made
