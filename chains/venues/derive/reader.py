"""Reading Derive v2: sub-accounts by events, balances and managers, then what each manager's desk asks for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from eth_utils.crypto import keccak

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_address, account_id
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.events import OWNER_OF
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.margin_state import MarginRule
from chains.protocols import ChainClient, LogSource
from chains.types import BlockRef, LogFilter
from chains.venue_reader import OneChainReader
from chains.venues.derive.decode import VENUE
from chains.venues.derive.events import MATCHED_OWNER, owner_of
from chains.venues.derive.holding import Balance, Desk, SubAccount
from chains.venues.derive.portfolio import PortfolioDesk
from chains.venues.derive.standard import StandardDesk

CREATED: Final = keccak(text="AccountCreated(address,uint256,address)")
TRANSFER: Final = keccak(text="Transfer(address,address,uint256)")
DEPOSITED: Final = keccak(text="DepositedSubAccount(uint256,address)")
KINDS: Final = ("cash", "perp", "base", "option")

_MANAGER: Final = Function("manager(uint256)", "(address)")
_BALANCES: Final = Function("getAccountBalances(uint256)", "((address,uint256,int256)[])")


class DeriveClient(ChainClient, LogSource, Protocol):
    """What is asked of the chain's client: state and logs."""


class DeriveReader(OneChainReader):
    """VenueReader of the sub-accounts on one Derive chain."""

    def __init__(self, client: DeriveClient, deployment: ChainDeployment, rule: MarginRule | None = None) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client, self._rule = client, rule
        self._names = deployment.venues[VENUE]
        symbols = {info.symbol: info for info in deployment.assets}
        self._infos: dict[str, dict[Address, AssetInfo | None]] = {kind: {} for kind in KINDS}
        self._managers: dict[Address, str] = {}
        self._desks: dict[Address, Desk] = {}
        for name, address in self._names.items():
            kind, _, rest = name.partition(":")
            if kind in KINDS:
                self._infos[kind][address] = symbols.get(rest)
            elif kind in ("standard_manager", "portfolio_manager"):
                self._managers[address] = name
                desk = StandardDesk if kind == "standard_manager" else PortfolioDesk
                self._desks[address] = desk(address, self._infos)

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Every sub-account of the accounts that holds anything."""
        ids = await self._sub_accounts(accounts, at)
        held = await self._held(ids, at)
        watched = frozenset(accounts)
        owners = {i: owner for i in ids if (owner := self._owner(i, held)) in watched}
        subs, failures = self._subs(owners, held)
        known = await self._ask(subs, at)
        read: list[VenueAccount] = []
        for sub in subs:
            try:
                read.append(self._desks[sub.manager].account(sub, known, self._rule, at))
            except BadAnswer as error:
                failures.append(_failure(sub.account, sub.id, error))
        return ReadResult(tuple(read), tuple(failures))

    async def _sub_accounts(self, accounts: Iterable[AccountId], at: BlockRef) -> list[int]:
        """Ids that one of the owners was ever given; those passed on since are sorted out later."""
        listed = [int(name.partition(":")[2]) for name in self._names if name.startswith("owner:")]
        if listed:
            return sorted(listed)
        owners = tuple(bytes(12) + bytes.fromhex(account_address(account)[2:]) for account in accounts)
        created = LogFilter(0, at.number, (self._names["sub_accounts"],), ((CREATED,), owners))
        deposited = LogFilter(0, at.number, (self._names["matching"],), ((DEPOSITED,), None, owners))
        passed = LogFilter(0, at.number, (self._names["sub_accounts"],), ((TRANSFER,), None, owners))
        found = {int.from_bytes(log.topics[2]) for log in await self._client.logs(created)}
        found |= {int.from_bytes(log.topics[3]) for log in await self._client.logs(passed)}
        found |= {int.from_bytes(log.topics[1]) for log in await self._client.logs(deposited)}
        return sorted(found)

    async def _held(self, ids: Iterable[int], at: BlockRef) -> Batch:
        nfts, batch = self._names["sub_accounts"], Batch()
        batch.ask("code", _MANAGER, nfts, 0)
        for sub_account in ids:
            batch.ask((sub_account, "owner"), OWNER_OF, nfts, sub_account)
            batch.ask((sub_account, "matched"), MATCHED_OWNER, self._names["matching"], sub_account)
            batch.ask((sub_account, "manager"), _MANAGER, nfts, sub_account)
            batch.ask((sub_account, "balances"), _BALANCES, nfts, sub_account)
        await batch.run(self._client, at)
        batch.values("code")  # without a contract there would be no logs either, which is not "no sub-accounts"
        return batch

    def _owner(self, sub_account: int, held: Batch) -> AccountId | None:
        owner = owner_of(sub_account, held, self._names["matching"])
        return None if owner is None else account_id(self.chain, owner)

    def _subs(self, owners: Mapping[int, AccountId], held: Batch) -> tuple[list[SubAccount], list[ReadFailure]]:
        """Sub-accounts that hold something; a failure for one whose balances or manager are not known."""
        subs: list[SubAccount] = []
        failures: list[ReadFailure] = []
        for sub_account, account in owners.items():
            try:
                balances = tuple(Balance(*one) for one in held.value((sub_account, "balances")) if one[2])
                if not balances:
                    continue
                manager = held.value((sub_account, "manager"))
                if manager not in self._managers:
                    raise UnknownMode(f"manager {manager} is none of {sorted(self._managers.values())}")
                name = self._managers[manager]
                subs.append(SubAccount(sub_account, account, manager, name, balances))
            except BadAnswer as error:
                failures.append(_failure(account, sub_account, error))
        return subs, failures

    async def _ask(self, subs: Sequence[SubAccount], at: BlockRef) -> Batch:
        """All rounds of questions about all of them together."""
        known = Batch()
        for step in range(max((len(desk.rounds) for desk in self._desks.values()), default=0)):
            batch = Batch()
            for sub in subs:
                for ask in self._desks[sub.manager].rounds[step : step + 1]:
                    ask(sub, batch, known)
            await batch.run(self._client, at)
            known = known.joined(batch)
        return known


def _failure(account: AccountId, sub_account: int, error: BadAnswer) -> ReadFailure:
    return ReadFailure(account, VENUE, reason_code(error), f"sub-account {sub_account}: {error}")
