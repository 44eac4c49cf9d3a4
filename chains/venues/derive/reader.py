"""Reading Derive v2: sub-accounts by events, balances and managers, kinds of assets, then prices and margins."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from eth_utils.crypto import keccak

from chains.caip import AccountId, Address, account_address, account_id
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient, LogSource
from chains.types import (
    BlockRef,
    LogFilter,
    ReadFailure,
    ReadResult,
    VenueAccount,
)
from chains.venue_reader import OneChainReader
from chains.venues.derive.decode import (
    VENUE,
    BaseLeg,
    Cash,
    Manager,
    PerpLeg,
    decode_by_manager,
    decode_standard,
)

CREATED: Final = keccak(text="AccountCreated(address,uint256,address)")
DEPOSITED: Final = keccak(text="DepositedSubAccount(uint256,address)")
OPTION, PERPETUAL, BASE = 1, 2, 3
"""AssetType of the standard manager."""

_OWNER: Final = Function("ownerOf(uint256)", "(address)")
_MATCHED_OWNER: Final = Function("subAccountToOwner(uint256)", "(address)")
_MANAGER: Final = Function("manager(uint256)", "(address)")
_BALANCES: Final = Function("getAccountBalances(uint256)", "((address,uint256,int256)[])")
_DETAILS: Final = Function("assetDetails(address)", "((bool,uint8,uint256))")
_MARGIN: Final = Function("getMarginAndMarkToMarket(uint256,bool,uint256)", "(int256,int256)")
_PERP_TERMS: Final = Function("perpMarginRequirements(uint256)", "(uint256,uint256)")
_BASE_FACTOR: Final = Function("baseAssetMarginFactor(uint256)", "(uint256)")
_FEEDS: Final = Function("getMarketFeeds(uint256)", "(address,address,address)")
_SPOT: Final = Function("getSpot()", "(uint256,uint256)")
_PERP_PRICE: Final = Function("getPerpPrice()", "(uint256,uint256)")
_RESULT: Final = Function("getUnsettledAndUnrealizedCash(uint256)", "(int256)")


class DeriveClient(ChainClient, LogSource, Protocol):
    """What is asked of the chain's client: state and logs."""


class DeriveReader(OneChainReader):
    """VenueReader of the sub-accounts on one Derive chain."""

    def __init__(self, client: DeriveClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client, self._deployment = client, deployment
        self._names = deployment.venues[VENUE]
        symbols = {info.symbol: info for info in deployment.assets}
        self._infos: dict[str, dict[Address, AssetInfo | None]] = defaultdict(dict)
        for name, address in self._names.items():
            kind, _, rest = name.partition(":")
            if kind in ("cash", "perp", "base"):
                self._infos[kind][address] = symbols.get(rest)

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Every sub-account of the accounts that holds anything."""
        ids = await self._sub_accounts(accounts, at)
        held = await self._held(ids, at)
        watched = frozenset(accounts)
        owners = {i: owner for i in ids if (owner := self._owner(i, held)) in watched}
        terms = await self._terms(owners, held, at)
        priced = await self._prices(owners, held, terms, at)
        desk = _Desk(self._names, self._infos, at, held, terms, priced)
        read: list[VenueAccount] = []
        failures: list[ReadFailure] = []
        for sub_account, account in owners.items():
            try:
                found = desk.account(account, sub_account)
            except BadAnswer as error:
                detail = f"sub-account {sub_account}: {error}"
                failures.append(ReadFailure(account, VENUE, reason_code(error), detail))
                continue
            if found is not None:
                read.append(found)
        return ReadResult(tuple(read), tuple(failures))

    async def _sub_accounts(self, accounts: Iterable[AccountId], at: BlockRef) -> list[int]:
        """Ids that were ever created or deposited for one of the owners; sold ones are sorted out later."""
        listed = [int(name.partition(":")[2]) for name in self._names if name.startswith("owner:")]
        if listed:
            return sorted(listed)
        owners = tuple(bytes(12) + bytes.fromhex(account_address(account)[2:]) for account in accounts)
        created = LogFilter(0, at.number, (self._names["sub_accounts"],), ((CREATED,), owners))
        deposited = LogFilter(0, at.number, (self._names["matching"],), ((DEPOSITED,), None, owners))
        found = {int.from_bytes(log.topics[2]) for log in await self._client.logs(created)}
        found |= {int.from_bytes(log.topics[1]) for log in await self._client.logs(deposited)}
        return sorted(found)

    async def _held(self, ids: Iterable[int], at: BlockRef) -> Batch:
        nfts, batch = self._names["sub_accounts"], Batch()
        batch.ask("code", _MANAGER, nfts, 0)
        for sub_account in ids:
            batch.ask((sub_account, "owner"), _OWNER, nfts, sub_account)
            batch.ask((sub_account, "matched"), _MATCHED_OWNER, self._names["matching"], sub_account)
            batch.ask((sub_account, "manager"), _MANAGER, nfts, sub_account)
            batch.ask((sub_account, "balances"), _BALANCES, nfts, sub_account)
        await batch.run(self._client, at)
        batch.values("code")  # without a contract there would be no logs either, which is not "no sub-accounts"
        return batch

    def _owner(self, sub_account: int, held: Batch) -> AccountId | None:
        """Who it belongs to: the NFT's owner, or whom the exchange keeps it for. None where it was burned."""
        if not held.answered((sub_account, "owner")):
            return None
        owner = held.value((sub_account, "owner"))
        if owner == self._names["matching"] and held.answered((sub_account, "matched")):
            owner = held.value((sub_account, "matched"))
        return account_id(self.chain, owner)

    async def _terms(self, ids: Iterable[int], held: Batch, at: BlockRef) -> Batch:
        standard, batch = self._names["standard_manager"], Batch()
        for sub_account in ids:
            if not held.answered((sub_account, "manager")) or not held.answered((sub_account, "balances")):
                continue
            manager = held.value((sub_account, "manager"))
            batch.ask((sub_account, "margin"), _MARGIN, manager, sub_account, False, 0)
            for asset, _, _ in held.value((sub_account, "balances")):
                if asset not in self._infos["cash"]:
                    batch.ask(asset, _DETAILS, standard, asset)
        await batch.run(self._client, at)
        return batch

    async def _prices(self, ids: Iterable[int], held: Batch, terms: Batch, at: BlockRef) -> Batch:
        """Parameters and feeds of the markets used, then spot prices; both in one batch object each."""
        standard, batch = self._names["standard_manager"], Batch()
        used: set[tuple[int, int, Address]] = set()
        for sub_account in ids:
            if not held.answered((sub_account, "balances")):
                continue
            for asset, _, _ in held.value((sub_account, "balances")):
                if terms.asked(asset) and terms.answered(asset):
                    _, kind, market = terms.value(asset)
                    used.add((kind, market, asset))
                    if kind == PERPETUAL:
                        batch.ask((sub_account, asset), _RESULT, asset, sub_account)
        for kind, market, asset in sorted(used):
            if kind == PERPETUAL:
                batch.ask(("perp", market), _PERP_TERMS, standard, market)
                batch.ask(("price", asset), _PERP_PRICE, asset)
            if kind == BASE:
                batch.ask(("factor", market), _BASE_FACTOR, standard, market)
                batch.ask(("feeds", market), _FEEDS, standard, market)
        await batch.run(self._client, at)
        spots = Batch()
        for kind, market, _ in used:
            if kind == BASE and batch.answered(("feeds", market)):
                spots.ask(("spot", market), _SPOT, batch.value(("feeds", market)))
        await spots.run(self._client, at)
        return batch.joined(spots)


class _Desk:
    """Answers of all rounds, put together."""

    def __init__(
        self,
        names: Any,
        infos: dict[str, dict[Address, AssetInfo | None]],
        at: BlockRef,
        held: Batch,
        terms: Batch,
        priced: Batch,
    ) -> None:
        self._infos, self._at = infos, at
        self._held, self._terms, self._priced = held, terms, priced
        self._managers = {
            address: name
            for name, address in names.items()
            if name == "standard_manager" or name.startswith("portfolio_manager:")
        }

    def account(self, account: AccountId, sub_account: int) -> VenueAccount | None:
        """One sub-account, None where it is empty; raises BadAnswer or UnknownMode."""
        balances = [one for one in self._held.value((sub_account, "balances")) if one[2]]
        if not balances:
            return None
        address = self._held.value((sub_account, "manager"))
        if address not in self._managers:
            raise UnknownMode(f"manager {address} is none of {sorted(self._managers.values())}")
        name = self._managers[address]
        manager = Manager(name, *self._terms.values((sub_account, "margin")))
        if name != "standard_manager":
            return decode_by_manager(account, sub_account, manager, f"it is margined by {name}", self._at)
        cash, perps, bases = [], [], []
        for asset, _, balance in balances:
            if asset in self._infos["cash"]:
                cash.append(Cash(self._info("cash", asset), balance))
                continue
            whitelisted, kind, market = self._terms.value(asset)
            if whitelisted and kind == OPTION:
                return decode_by_manager(account, sub_account, manager, "it holds options", self._at)
            if whitelisted and kind == PERPETUAL:
                perps.append(self._perp(sub_account, asset, market, balance))
            elif whitelisted and kind == BASE:
                bases.append(self._base(asset, market, balance))
            else:
                raise UnknownMode(f"asset {asset} is of no kind that the standard manager names (type {kind})")
        return decode_standard(account, sub_account, cash, perps, bases, manager, self._at)

    def _perp(self, sub_account: int, asset: Address, market: int, size: int) -> PerpLeg:
        maintenance, _ = self._priced.values(("perp", market))
        price, result = self._priced.value(("price", asset)), self._priced.value((sub_account, asset))
        return PerpLeg(self._info("perp", asset), market, size, price, maintenance, result)

    def _base(self, asset: Address, market: int, size: int) -> BaseLeg:
        price, factor = self._priced.value(("spot", market)), self._priced.value(("factor", market))
        return BaseLeg(self._info("base", asset), size, price, factor)

    def _info(self, kind: str, asset: Address) -> AssetInfo:
        info = self._infos[kind].get(asset)
        if info is None:
            raise UnknownMode(f"{kind} asset {asset} is not named in the deployment, or its symbol is no asset")
        return info
