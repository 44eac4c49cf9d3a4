"""Idle holdings of an address: the chain's own coin and registered tokens. Nothing can be liquidated here.

MM = 0 and E = value x (1 - haircut), with the haircut by class of asset. No venue prices what lies idle, so E in
dollars is left to the price book: the exposures say it. Receipts are not holdings, even registered as assets:
tokens of lending markets and NFTs of positions are found by what their contracts answer, and the reader of their
venue counts what they stand for.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from chains.accounts import Position, PositionKind, ReadFailure, ReadResult, VenueAccount, VenueId
from chains.caip import AccountId, Address, account_address, native
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function
from chains.haircuts import Haircuts
from chains.instruments import Exposure, Spot
from chains.protocols import ChainClient
from chains.types import BlockRef, Call, CallResult
from chains.venue_reader import OneChainReader

__all__ = ["VENUE", "Haircuts", "HoldingsReader", "decode_holdings", "is_receipt"]

VENUE = VenueId("wallet")

COIN_BALANCE = Function("getEthBalance(address)", "(uint256)")
BALANCE = Function("balanceOf(address)", "(uint256)")
UNDERLYING = Function("UNDERLYING_ASSET_ADDRESS()", "(address)")
COMET_FEED = Function("baseTokenPriceFeed()", "(address)")
IS_NFT = Function("supportsInterface(bytes4)", "(bool)")
ERC721 = bytes.fromhex("80ac58cd")
"""Interface of position NFTs (Uniswap, Lyra, Derive)."""


def receipt_calls(token: Address) -> tuple[Call, ...]:
    """Questions that only receipts answer: Aave's tokens, Compound's markets, NFTs. Plain tokens revert."""
    return UNDERLYING.call(token), COMET_FEED.call(token), IS_NFT.call(token, ERC721)


class HoldingsReader(OneChainReader):
    """VenueReader of what lies idle on an address."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment, haircuts: Haircuts | None = None) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client = client
        self._haircuts = haircuts or Haircuts()
        self._multicall3 = deployment.multicall3
        self._coin = native(deployment.chain)
        self._infos = deployment.assets

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Holdings at the cut's block; an address that holds nothing produces nothing."""
        tokens = [token for info in self._infos if (token := self._token(info))]
        asked = [(token, call) for token in tokens for call in receipt_calls(token)]
        calls = [call for _, call in asked]
        calls += [self._balance_call(info, account) for account in accounts for info in self._infos]
        results = await self._client.call(calls, at)
        receipts = {t for (t, _), result in zip(asked, results, strict=False) if is_receipt(result)}
        counted = [i for i, info in enumerate(self._infos) if self._token(info) not in receipts]
        read = []
        for n, account in enumerate(accounts):
            start = len(asked) + n * len(self._infos)
            balances = [(self._infos[i], results[start + i]) for i in counted]
            read.append(decode_holdings(account, at, balances, self._haircuts))
        return ReadResult(
            tuple(one for one in read if isinstance(one, VenueAccount)),
            tuple(one for one in read if isinstance(one, ReadFailure)),
        )

    def _token(self, info: AssetInfo) -> Address | None:
        return None if info.asset == self._coin else Address(info.asset.partition("/erc20:")[2])

    def _balance_call(self, info: AssetInfo, account: AccountId) -> Call:
        token = self._token(info)
        if token is None:
            return COIN_BALANCE.call(self._multicall3, account_address(account))
        return BALANCE.call(token, account_address(account))


def is_receipt(result: CallResult) -> bool:
    """Whether one of ``receipt_calls`` says so: an underlying asset, a feed, or that it is an NFT."""
    return result.success and len(result.data) == 32 and any(result.data)


def decode_holdings(
    account: AccountId, at: BlockRef, balances: Iterable[tuple[AssetInfo, CallResult]], haircuts: Haircuts
) -> VenueAccount | ReadFailure | None:
    """Holdings from the answers to the balance calls; None where all are known to be zero.

    A balance that cannot be read makes the account degraded, and a failure where nothing else is known.
    """
    positions, exposures, unknown = [], [], []
    reason = "undecodable"
    for info, result in balances:
        try:
            raw = (COIN_BALANCE if "/slip44:" in info.asset else BALANCE).decode(result)[0]
        except BadAnswer as error:
            reason = _reason(error, result)
            unknown.append(f"{VENUE}: balance of {info.symbol} is unknown: {error}")
            continue
        if raw:
            label = f"{info.symbol} idle"
            positions.append(Position(PositionKind.HOLDING, info.asset, label, raw, info.decimals, None))
            size = positions[-1].size
            exposures.append(Exposure(Spot(info.asset), value=size, equity=size * (1 - haircuts.of(info))))
    if not positions:
        return ReadFailure(account, VENUE, reason, "; ".join(unknown)) if unknown else None
    return VenueAccount(
        account=account,
        venue=VENUE,
        sub_account="",
        at=at,
        positions=tuple(positions),
        exposures=tuple(exposures),
        equity_usd=None,
        mm_requirement_usd=Decimal(0),
        checks=(),
        liquidatable=None,
        degraded=tuple(unknown),
    )


def _reason(error: BadAnswer, result: CallResult) -> str:
    if isinstance(error, Reverted):
        return "reverted"
    return "undecodable" if result.data else "no_code"
