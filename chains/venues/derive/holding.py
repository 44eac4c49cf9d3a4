"""What the desks of all managers share: sub-accounts as they are held, option ids, common questions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from chains.accounts import VenueAccount
from chains.caip import AccountId, Address
from chains.deployments import AssetInfo
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode
from chains.margin_state import MarginRule
from chains.types import BlockRef
from chains.venues.derive.decode import Manager, whole

Infos = Mapping[str, Mapping[Address, AssetInfo | None]]
"""Registered assets by kind (cash, perp, base, option) and asset contract; None where the symbol is no asset."""

MARGIN: Final = Function("getMargin(uint256,bool)", "(int256)")
MARK: Final = Function("getMarginAndMarkToMarket(uint256,bool,uint256)", "(int256,int256)")
SPOT: Final = Function("getSpot()", "(uint256,uint256)")
PERP_PRICE: Final = Function("getPerpPrice()", "(uint256,uint256)")
RESULT: Final = Function("getUnsettledAndUnrealizedCash(uint256)", "(int256)")
VOL: Final = Function("getVol(uint128,uint64)", "(uint256,uint256)")

_STRIKE_UNIT: Final = 10**10
"""Option ids keep strikes to 8 decimals."""


class Balance(NamedTuple):
    """One entry of getAccountBalances."""

    asset: Address
    sub_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class SubAccount:
    """A sub-account that holds something."""

    id: int
    account: AccountId
    manager: Address
    manager_name: str
    balances: tuple[Balance, ...]


class Desk(ABC):
    """What is asked about sub-accounts of one manager, round by round, and the account that the answers make."""

    def __init__(self, manager: Address, infos: Infos) -> None:
        self._manager, self._infos = manager, infos

    @property
    @abstractmethod
    def rounds(self) -> tuple[Callable[[SubAccount, Batch, Batch], None], ...]:
        """Each puts its questions into the first batch, as far as the answers in the second allow."""

    @abstractmethod
    def account(self, sub: SubAccount, known: Batch, rule: MarginRule | None, at: BlockRef) -> VenueAccount:
        """The sub-account; raises BadAnswer, or UnknownMode for an asset that the manager does not know."""


class OptionId(NamedTuple):
    """Terms of an option by its id: 1 bit call, 63 bits strike, 32 bits expiry (lyra-utils, OptionEncoding)."""

    expiry: int
    strike: int
    """1e-18 USD."""
    is_call: bool


def option_id(sub_id: int) -> OptionId:
    """Terms of an option."""
    if not 0 < sub_id < 2**96:
        raise UnknownMode(f"option id {sub_id} is not of 96 bits")
    return OptionId(sub_id & 0xFFFFFFFF, (sub_id >> 32 & (2**63 - 1)) * _STRIKE_UNIT, bool(sub_id >> 95))


def ask_margins(sub: SubAccount, batch: Batch) -> None:
    """Ask for the manager's own verdict.

    A portfolio manager's getMarginAndMarkToMarket looks at one scenario only, so the requirement is asked by
    getMargin, which takes the worst of all; the mark is the same in every scenario.
    """
    batch.ask((sub.id, "mm"), MARGIN, sub.manager, sub.id, False)
    batch.ask((sub.id, "im"), MARGIN, sub.manager, sub.id, True)
    batch.ask((sub.id, "mark"), MARK, sub.manager, sub.id, False, 0)


def said_by(sub: SubAccount, known: Batch) -> Manager:
    """The answers of ``ask_margins``; raises BadAnswer. The initial margin alone may be missing."""
    initial = known.value((sub.id, "im")) if known.answered((sub.id, "im")) else None
    return Manager(sub.manager_name, known.value((sub.id, "mm")), initial, known.values((sub.id, "mark"))[1])


def ask_vols(feed: Address, options: Iterator[OptionId], batch: Batch) -> None:
    """Volatility of each strike."""
    for option in options:
        batch.ask((feed, option.expiry, option.strike), VOL, feed, option.strike, option.expiry)


def named(infos: Infos, kind: str, asset: Address) -> AssetInfo:
    """The registered asset behind an asset contract; raises UnknownMode where there is none."""
    info = infos.get(kind, {}).get(asset)
    if info is None:
        raise UnknownMode(f"{kind} asset {asset} is not named in the deployment, or its symbol is no asset")
    return info


def price_of(batch: Batch, key: Hashable) -> tuple[Decimal, Decimal]:
    """Price and confidence of a feed; raises BadAnswer."""
    price, confidence = batch.values(key)
    return whole(price), whole(confidence)
