"""Lyra v1 (Avalon) options on the devnet: one ETH market with two boards and a deep liquidity pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any, Final

from chains.caip import Address, erc20
from chains.deployments import AssetInfo
from chains.devnet import chainlink, lyra_params, lyra_system
from chains.devnet.context import ChainContext
from chains.devnet.lyra_params import MAX_UINT, wad
from chains.devnet.lyra_system import BASE_KEY, LyraSystem

QUOTE_SYMBOL: Final = "sUSD-lyra"
"""Lyra's own test sUSD: its exchange mints and burns it, which the real sUSD allows to nobody else."""
BASE_SYMBOL: Final = "sETH-lyra"


class OptionType(IntEnum):
    """OptionMarket.OptionType."""

    LONG_CALL = 0
    LONG_PUT = 1
    SHORT_CALL_BASE = 2
    SHORT_CALL_QUOTE = 3
    SHORT_PUT_QUOTE = 4


@dataclass(frozen=True)
class Strike:
    """One listed strike."""

    id: int
    price: Decimal
    skew: Decimal


@dataclass(frozen=True)
class Board:
    """One expiry with its strikes."""

    id: int
    expiry: int
    iv: Decimal
    strikes: tuple[Strike, ...]


@dataclass
class LyraWorld:
    """The market's contracts and what users and keepers do with them. Amounts are whole units."""

    ctx: ChainContext
    system: LyraSystem

    @property
    def addresses(self) -> Mapping[str, Address]:
        """What ``chains.venues.lyra.LyraReader`` needs, by the names that it documents."""
        names = {
            "synthetix_adapter": "SynthetixAdapter",
            "black_scholes": "BlackScholes",
            "ETH.option_market": "OptionMarket",
            "ETH.option_token": "OptionToken",
            "ETH.greek_cache": "OptionGreekCache",
            "ETH.quote_asset": "Quote",
            "ETH.base_asset": "Base",
        }
        return {name: Address(self.system[contract].address) for name, contract in names.items()}

    def boards(self) -> tuple[Board, ...]:
        """Live boards in order of expiry."""
        market = self.system["OptionMarket"].functions
        found = []
        for board_id in market.getLiveBoards().call():
            board, strikes, _, _ = market.getBoardAndStrikeDetails(board_id).call()
            listed = tuple(Strike(s[0], _whole(s[1]), _whole(s[2])) for s in strikes)
            found.append(Board(board[0], board[1], _whole(board[2]), listed))
        return tuple(sorted(found, key=lambda board: board.expiry))

    def strike(self, price: Decimal | int, board: int = 0) -> int:
        """Id of the strike at a price on the n-th board by expiry; raises KeyError where none is listed."""
        strikes = self.boards()[board].strikes
        for strike in strikes:
            if strike.price == price:
                return strike.id
        raise KeyError(f"board {board} has no strike at {price}, only {[str(s.price) for s in strikes]}")

    def fund(self, user: str, quote: Decimal | int = 0, base: Decimal | int = 0) -> None:
        """Give quote and base to a user and let the market take them."""
        send = self.ctx.deployer.send
        for name, amount in (("Quote", quote), ("Base", base)):
            token = self.system[name].functions
            if amount:
                send(token.mint(user, wad(amount)))
            send(token.approve(self.system["OptionMarket"].address, MAX_UINT), sender=user)

    def open_long(self, user: str, strike_id: int, is_call: bool, amount: Decimal | int) -> int:
        """Buy options with quote; returns the position id."""
        kind = OptionType.LONG_CALL if is_call else OptionType.LONG_PUT
        return self._open(user, strike_id, kind, amount, 0)

    def open_short(
        self, user: str, strike_id: int, kind: OptionType, amount: Decimal | int, collateral: Decimal | int
    ) -> int:
        """Sell options; ``collateral`` (base or quote by kind) stays in the position, premium included."""
        return self._open(user, strike_id, kind, amount, collateral)

    def _open(
        self, user: str, strike_id: int, kind: OptionType, amount: Decimal | int, left: Decimal | int
    ) -> int:
        position = int(self.system["OptionToken"].functions.nextId().call())
        self._trade("openPosition", user, strike_id, 0, kind, wad(amount), wad(left))
        return position

    def close(
        self, user: str, position: int, amount: Decimal | int | None = None, collateral: Decimal | int = 0,
        *, force: bool = False,
    ) -> None:  # fmt: skip
        """Close all or ``amount`` of a position, leaving ``collateral`` in what remains.

        Outside the pricer's delta limits (0.15) the market only takes ``force`` (deltas below 0.25 or above 0.75).
        """
        _, strike_id, kind, size, _, _ = self.position(position)
        raw = size if amount is None else wad(amount)
        method = "forceClosePosition" if force else "closePosition"
        self._trade(method, user, strike_id, position, OptionType(kind), raw, wad(collateral))

    def set_collateral(self, user: str, position: int, collateral: Decimal | int) -> None:
        """Add or take out collateral without trading."""
        _, strike_id, kind, _, _, _ = self.position(position)
        self._trade("openPosition", user, strike_id, position, OptionType(kind), 0, wad(collateral))

    def _trade(
        self, method: str, user: str, strike_id: int, position: int, kind: OptionType, amount: int, left: int
    ) -> None:
        # TradeInputParameters: strike, position, iterations, type, amount, setCollateralTo, total cost bounds.
        trade = (strike_id, position, 1, int(kind), amount, left, 0, MAX_UINT)
        self.ctx.deployer.send(self.system["OptionMarket"].functions[method](trade), sender=user)

    def position(self, position: int) -> Any:
        """``(id, strike id, option type, amount, collateral, state)``, raw, of a live or closed position."""
        return self.system["OptionToken"].functions.positions(position).call()

    def liquidate(self, position: int, keeper: str) -> None:
        """Liquidate a position; the keeper takes the reward. Reverts while its collateral is enough."""
        market = self.system["OptionMarket"].functions
        self.ctx.deployer.send(market.liquidatePosition(position, keeper), sender=keeper)

    def update_greeks(self) -> None:
        """Keeper: refresh the cached greeks of every board, needed after a 5 % spot move or 3 h."""
        cache = self.system["OptionGreekCache"].functions
        for board_id in self.system["OptionMarket"].functions.getLiveBoards().call():
            self.ctx.deployer.send(cache.updateBoardCachedGreeks(board_id))

    def settle(self, board_id: int) -> None:
        """Keeper: settle an expired board at the spot of now."""
        self.system.send("OptionMarket", "settleExpiredBoard", board_id)

    def set_spot(self, price: Decimal) -> None:
        """Move the venue's spot: a new round of the ETH feed, and the stand-in rates where none are real."""
        chainlink.submit(self.ctx, "ETH", price)
        if not self.system.real_rates:
            self.system.send("ExchangeRates", "setRateAndInvalid", BASE_KEY, wad(price), False)

    def spot(self) -> Decimal:
        """Spot price that the venue uses."""
        adapter, market = self.system["SynthetixAdapter"], self.system["OptionMarket"]
        return _whole(adapter.functions.getSpotPriceForMarket(market.address).call())


def deploy(ctx: ChainContext) -> LyraWorld:
    """Deploy the market on a chain, seed its pool and list the boards; tokens are registered as assets.

    Prices come from the real ExchangeRates where ``ctx.extra["synthetix.exchange_rates"]`` has it.
    """
    system = lyra_system.build(ctx)
    for name, symbol, price_key, factor, peg in (
        ("Quote", QUOTE_SYMBOL, "SUSD", "SUSD", "USD"),
        ("Base", BASE_SYMBOL, "ETH", "ETH", ""),
    ):
        ctx.tokens[symbol] = system[name]
        asset = erc20(ctx.chain, Address(system[name].address))
        basis = "SETH" if name == "Base" else ""
        ctx.assets.append(AssetInfo(asset, symbol, 18, price_key, factor, basis, peg))
    _seed(ctx, system)
    return LyraWorld(ctx, system)


def _seed(ctx: ChainContext, system: LyraSystem) -> None:
    deposit, owner = wad(lyra_params.POOL_DEPOSIT), ctx.deployer.owner
    system.send("Quote", "mint", owner, deposit)
    system.send("Quote", "approve", system["LiquidityPool"], MAX_UINT)
    system.send("LiquidityPool", "initiateDeposit", owner, deposit)
    system.send("ShortPoolHedger", "openShortAccount")
    system.send("ShortPoolHedger", "hedgeDelta")
    block = ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)
    now, iv = int(block["timestamp"], 16), wad(lyra_params.BASE_IV)
    for days, skews in lyra_params.BOARDS:
        expiry, strikes = now + days * lyra_params.DAY_S, [wad(price) for price in skews]
        system.send(
            "OptionMarket", "createOptionBoard", expiry, iv, strikes, list(map(wad, skews.values())), False
        )


def _whole(raw: int) -> Decimal:
    return Decimal(raw).scaleb(-18)
