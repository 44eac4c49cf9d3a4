"""Volatility surfaces read from venues: Lyra v1 boards and Derive's vol feed."""

from collections.abc import Sequence
from decimal import Decimal

from chains.caip import Address
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import CallResult, Cut, Log
from oracles.sources.onchain import OnChain, Unread
from oracles.vols import Svi, VolGap, VolQuote, Vols

LIVE_BOARDS = Function("getLiveBoards()", "(uint256[])")
BOARD = Function(
    "getBoardAndStrikeDetails(uint256)",
    f"((uint256,uint256,uint256,bool,uint256[]),({','.join(['uint256'] * 9)})[],uint256[],uint256)",
)
GET_VOL = Function("getVol(uint128,uint64)", "(uint256,uint256)")
VOL_DETAILS = Function("details()", "(int256,uint256,int256,int256,uint256,uint256,uint64,uint64,uint64)")
"""Data of the event VolDataUpdated: a, b, rho, m, sigma, forward, tau, confidence, timestamp; all wad but time."""
WAD = 18
ONE = Decimal(1)


class LyraVolSource:
    """Live boards of one Lyra v1 market: a strike's volatility is the board's times the strike's skew.

    A frozen board keeps its last figures, which nobody may trade on: confidence 0.
    """

    def __init__(self, client: ChainClient, underlying: str, option_market: Address) -> None:
        self._on = OnChain("lyra-v1", client)
        self._underlying = underlying
        self._market = option_market

    async def surface(self, cut: Cut) -> Vols:
        """Every live strike, or why there is none."""
        answer = await self._on.read([LIVE_BOARDS.call(self._market)], cut)
        if isinstance(answer, Unread):
            return self._gap(answer.reason, answer.detail)
        try:
            (boards,) = LIVE_BOARDS.decode(answer[1][0])
            details = await self._on.read([BOARD.call(self._market, board) for board in boards], cut)
            if isinstance(details, Unread):
                return self._gap(details.reason, details.detail)
            at, results = details
            decoded = [BOARD.decode(result) for result in results]
        except BadAnswer as error:
            return self._gap("undecodable", str(error))
        return Vols(
            tuple(
                self._quote(board, strike, at.timestamp) for board, strikes, _, _ in decoded for strike in strikes
            )
        )

    def _quote(self, board: Sequence[int], strike: Sequence[int], stamp: int) -> VolQuote:
        vol = (Decimal(board[2]) * Decimal(strike[2])).scaleb(-2 * WAD)
        confidence = Decimal(0) if board[3] else ONE
        price = Decimal(strike[1]).scaleb(-WAD)
        return VolQuote(self._underlying, self._on.name, board[1], price, vol, confidence, stamp)

    def _gap(self, reason: str, detail: str) -> Vols:
        return Vols(gaps=(VolGap(self._underlying, self._on.name, reason, detail),))


class DeriveVolSource:
    """Derive's vol feed of one underlying, asked for given strikes: volatility and confidence by contract."""

    def __init__(
        self, client: ChainClient, underlying: str, feed: Address, wanted: Sequence[tuple[int, Decimal]]
    ) -> None:
        self._on = OnChain("derive-v2", client)
        self._underlying = underlying
        self._feed = feed
        self._wanted = tuple(wanted)

    async def surface(self, cut: Cut) -> Vols:
        """Volatilities of the (expiry, strike) pairs; one that the feed refuses is a gap."""
        if not self._wanted:
            detail = "name the expiries and strikes: the feed does not list them"
            return Vols(gaps=(VolGap(self._underlying, self._on.name, "no_answer", detail),))
        calls = [GET_VOL.call(self._feed, int(strike.scaleb(WAD)), expiry) for expiry, strike in self._wanted]
        answer = await self._on.read(calls, cut)
        if isinstance(answer, Unread):
            return Vols(gaps=(VolGap(self._underlying, self._on.name, answer.reason, answer.detail),))
        at, results = answer
        found: list[VolQuote] = []
        gaps: list[VolGap] = []
        for (expiry, strike), result in zip(self._wanted, results, strict=True):
            try:
                vol, confidence = (Decimal(value).scaleb(-WAD) for value in GET_VOL.decode(result))
            except BadAnswer as error:
                gaps.append(VolGap(self._underlying, self._on.name, "no_answer", f"{expiry} {strike}: {error}"))
                continue
            name = self._on.name
            found.append(VolQuote(self._underlying, name, expiry, strike, vol, confidence, at.timestamp))
        return Vols(tuple(found), tuple(gaps))


def decode_vol_updated(log: Log) -> tuple[int, Svi, int]:
    """Expiry, surface and time of an event VolDataUpdated; raises BadAnswer."""
    a, b, rho, m, sigma, forward, tau, confidence, stamp = VOL_DETAILS.decode(CallResult(True, log.data))
    unit = 10.0**WAD
    svi = Svi(
        a=a / unit, b=b / unit, rho=rho / unit, m=m / unit, sigma=sigma / unit, forward_usd=forward / unit,
        tau_years=tau / unit, confidence=confidence / unit,
    )  # fmt: skip
    return int.from_bytes(log.topics[-1]), svi, stamp
