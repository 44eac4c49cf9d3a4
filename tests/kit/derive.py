"""Derive v2 on a lone chain: contracts of our own in its ABI, filled with books of the margin models."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from web3.contract import Contract

from chains.accounts import OwnCheck, VenueAccount
from chains.caip import Address, erc20
from chains.deployments import AssetInfo
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.shapes import shape
from risk.book import Book, Collateral, Expiry
from risk.models.pm2params import DIRECTIONS, Pm2Params
from tests.kit.lone_chain import lone_chain

# Round figures: the layout is what is tested here.
MM, FACTOR = Decimal("0.05"), Decimal("0.8")
CASH, BASE, OPTION, STRANGE, OTHER = (Address("0x" + 19 * "00" + f"{n:02x}") for n in (1, 3, 4, 5, 7))
DAY_S = 86_400


def wad(amount: str | int | float | Decimal) -> int:
    return int(Decimal(amount).scaleb(18))


def option_id(expiry: int, strike: Decimal | float, *, is_call: bool) -> int:
    """The id that Derive gives an option: call, strike to 8 decimals, expiry."""
    return int(is_call) << 95 | round(Decimal(strike).scaleb(8)) << 32 | expiry


@dataclass(frozen=True)
class Market:
    """The stand-ins: one contract for all of Derive but its perpetual, its feeds and its portfolio manager."""

    ctx: ChainContext
    main: Contract
    perp: Contract
    spot: Contract
    stable: Contract
    portfolio: Contract

    def addresses(self) -> dict[str, Address]:
        main = Address(self.main.address)
        return {
            "sub_accounts": main, "matching": main, "standard_manager": main,
            "portfolio_manager:PM": Address(self.portfolio.address),
            "cash:USDC": CASH, "perp:WETH": Address(self.perp.address), "base:WETH": BASE, "option:WETH": OPTION,
        }  # fmt: skip

    @property
    def now(self) -> int:
        return int(self.ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def open(
        self, user: int, *, manager: str | None = None, options: Mapping[int, str] | None = None, **held: str
    ) -> int:
        """A sub-account by kind of asset, options by their ids; the last id."""
        assets = {"cash": CASH, "perp": self.perp.address, "base": BASE, "strange": STRANGE}
        balances = [(assets[kind], 0, wad(amount)) for kind, amount in held.items()]
        balances += [(OPTION, sub_id, wad(amount)) for sub_id, amount in (options or {}).items()]
        return self.create(user, manager or self.main.address, balances)

    def create(self, user: int, manager: str, balances: list[tuple[str, int, int]]) -> int:
        owner = self.ctx.deployer.accounts[user]
        self.send(self.main.functions.create(owner, manager, balances))
        return int(self.main.functions.lastId().call())

    def move(self, price: str, sub_account: int, result: str) -> None:
        self.send(self.main.functions.setPrice(wad(price)))
        self.send(self.main.functions.setResult(sub_account, wad(result)))
        self.send(self.perp.functions.set(wad(price), sub_account, wad(result)))

    def say(
        self, sub_account: int, maintenance: float, initial: float, mark: float, *, portfolio: bool = True
    ) -> None:
        """What the manager shall answer for a sub-account."""
        figures = (wad(maintenance), wad(initial), wad(mark))
        if portfolio:
            self.send(self.portfolio.functions.say(sub_account, figures))
        else:
            self.send(self.main.functions.say(sub_account, *figures))

    def send(self, function: Any) -> None:
        self.ctx.deployer.send(function)

    def keep(self) -> Address:
        """An exchange that keeps sub-accounts, apart from the rest; its address."""
        return Address(self.ctx.deployer.deploy(shape("DeriveMatchingShape")).address)

    def deposit(self, matching: Address, sub_account: int, user: int) -> None:
        exchange = self.ctx.deployer.at(matching, shape("DeriveMatchingShape").abi).functions
        self.send(exchange.deposit(self.main.address, sub_account, self.ctx.deployer.accounts[user]))

    # --- PM2: a book of the model becomes contract state ---

    def hold(self, user: int, book: Book, params: Pm2Params, said: tuple[float, float, float]) -> int:
        """A sub-account of the portfolio manager that holds the book under the parameters; its id.

        ``said`` is what the manager shall answer: maintenance and initial excess, mark. The head is the block at
        which the book's times to expiry hold.
        """
        (market,) = book.markets
        self._parameters(params)
        self.send(self.spot.functions.set(wad(market.spot), wad(market.spot_confidence)))
        self.send(self.stable.functions.set(wad(book.stable_price), wad(1)))
        balances = [(str(CASH), 0, wad(book.cash_usd)), (self.perp.address, 0, wad(market.perp_amount))]
        balances += [(self._collateral(i, held), 0, wad(held.amount)) for i, held in enumerate(book.collaterals)]
        stamp = self.now + 300
        for end in market.expiries:
            balances += self._options(stamp + int(end.expiry_s), end)
        sub_account = self.create(user, self.portfolio.address, balances)
        if market.perp_amount:
            result = market.unrealised_pnl_usd + market.funding_usd
            self.send(self.perp.functions.set(wad(market.perp_price), sub_account, wad(result)))
            self.send(self.perp.functions.setConfidence(wad(market.perp_confidence)))
        self.say(sub_account, *said)
        self.ctx.deployer.rpc("evm_setNextBlockTimestamp", stamp)
        self.ctx.deployer.rpc("evm_mine")
        return sub_account

    def _options(self, expiry: int, end: Expiry) -> list[tuple[str, int, int]]:
        moving, fixed = end.forward_parts()
        confidences = (end.forward_confidence, end.rate_confidence, end.vol_confidence)
        forward, rate, vol = map(wad, confidences)
        feed = (wad(fixed), wad(moving), forward, wad(end.rate), rate, vol)
        self.send(self.portfolio.functions.setForward(expiry, feed))
        strikes = [round(Decimal(k).scaleb(8)) * 10**10 for k in end.strike.tolist()]
        self.send(self.portfolio.functions.setVols(expiry, strikes, [wad(v) for v in end.vol.tolist()]))
        legs = zip(end.strike.tolist(), end.is_call.tolist(), end.amount.tolist(), strict=True)
        return [(OPTION, option_id(expiry, k, is_call=call), wad(amount)) for k, call, amount in legs]

    def _collateral(self, place: int, held: Collateral) -> str:
        asset = collateral(place)
        feed = self.ctx.deployer.deploy(shape("DeriveFeedShape"), wad(held.price), wad(held.confidence))
        terms = (True, held.is_risk_cancelling, wad(held.mm_haircut), wad(held.im_haircut))
        self.send(self.portfolio.functions.setCollateral(asset, feed.address, terms))
        return asset

    def _parameters(self, params: Pm2Params) -> None:
        d, v, s, c = params.discounts, params.vol, params.skew, params.contingencies
        margin = (
            params.im_factor, params.mm_factor, d.short_rate_mult, d.long_rate_mult, d.short_rate_add,
            d.long_rate_add, d.negative_base, d.positive_base,
        )  # fmt: skip
        vol = (
            *map(wad, (v.up, v.down, v.short_power, v.long_power)),
            round(v.floor_days * DAY_S),
            wad(v.least_up),
        )
        skew = (
            s.linear_scale_cap, s.abs_scale_cap, s.linear_c_base, s.abs_c_base, s.least_k_star, s.width_scale,
            s.vol_static, s.vol_scale,
        )  # fmt: skip
        basis = (c.basis_up, c.basis_down, c.basis_add, c.basis_mult)
        other = (
            c.peg_threshold, c.peg_factor, c.confidence_threshold, c.confidence_factor, c.mm_perp, c.im_perp,
            c.mm_option, c.im_option,
        )  # fmt: skip
        rows = [(wad(row.spot), DIRECTIONS[row.vol], wad(row.damping)) for row in params.rows]
        structs = [tuple(map(wad, margin)), vol, *(tuple(map(wad, one)) for one in (skew, basis, other))]
        self.send(self.portfolio.functions.setParameters(*structs, rows))


def collateral(place: int) -> Address:
    """Asset contract of the n-th collateral of a book."""
    return Address("0x" + 18 * "00" + f"01{place:02x}")


def collaterals(ctx: ChainContext, count: int) -> tuple[dict[str, Address], tuple[AssetInfo, ...]]:
    """Names for the deployment and registered assets of the first collaterals."""
    infos = [replace(ctx.assets[0], symbol=f"C{i}", asset=erc20(ctx.chain, collateral(i))) for i in range(count)]
    return {f"base:{info.symbol}": collateral(i) for i, info in enumerate(infos)}, tuple(infos)


@contextmanager
def derive_chain() -> Iterator[tuple[Market, Anvil]]:
    """A chain with the stand-ins."""
    with lone_chain(957, "--timestamp", "1790000000") as (ctx, node):
        d = ctx.deployer
        spot, stable = (d.deploy(shape("DeriveFeedShape"), wad(price), wad(1)) for price in (3000, 1))
        main = d.deploy(shape("DeriveShape"), CASH, wad(3000), stable.address)
        perp = d.deploy(shape("DerivePerpShape"), wad(3000))
        portfolio = d.deploy(shape("DerivePortfolioShape"), OPTION, perp.address, spot.address, stable.address)
        d.send(main.functions.setMarket(1, wad(MM), wad(FACTOR)))
        for asset, kind in ((perp.address, 2), (BASE, 3), (OPTION, 1)):
            d.send(main.functions.whitelist(asset, kind, 1))
        yield Market(ctx, main, perp, spot, stable, portfolio), node


def check(account: VenueAccount, name: str) -> OwnCheck:
    """The own check of that name."""
    (found,) = [one for one in account.checks if one.name == name]
    return found
