"""The portfolios of the settings: names, accounts on the configured chains, and finding one by any id."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aggregator.errors import UnknownPortfolio
from chains.caip import (
    AccountId,
    Address,
    ChainId,
    account_address,
    account_chain,
    account_id,
    parse_account,
    parse_address,
)


@dataclass(frozen=True, slots=True)
class Portfolios:
    """Portfolio names with their accounts; a bare address stands for the address on every configured chain."""

    members: Mapping[str, tuple[AccountId, ...]]
    owners: Mapping[str, str] = field(default_factory=dict)
    """Who made an account set, by its name; those of the settings have no entry."""

    @classmethod
    def of(cls, given: Mapping[str, Iterable[str]], chains: Iterable[ChainId]) -> "Portfolios":
        """Expand the settings' accounts; raises InvalidId for a malformed one."""
        known = tuple(chains)
        return cls({name: expand(accounts, known) for name, accounts in given.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the settings."""
        return tuple(self.members)

    def accounts(self, name: str) -> tuple[AccountId, ...]:
        """Accounts of a portfolio."""
        return self.members[name]

    def having(self, accounts: Iterable[AccountId]) -> "Portfolios":
        """Only the portfolios that have any of these accounts."""
        wanted = frozenset(accounts)
        return Portfolios({name: ids for name, ids in self.members.items() if not wanted.isdisjoint(ids)})

    def only(self, names: Iterable[str]) -> "Portfolios":
        """Those of these names."""
        return Portfolios({name: self.members[name] for name in names}, self.owners)

    def find(self, text: str) -> str:
        """Name of the portfolio that a name, a CAIP-10 account or an address means.

        Raises InvalidId for a malformed address and UnknownPortfolio where nothing of that name is watched.
        """
        if text in self.members:
            return text
        name = next((name for name, ids in self.members.items() if any(map(_matcher(text), ids))), None)
        if name is None:
            raise UnknownPortfolio(f"{text!r} is neither a portfolio nor an account of one; known: {self._some()}")
        return name

    def _some(self) -> str:
        names = ", ".join(self.names[:8])
        return names + (", …" if len(self.names) > 8 else "") if names else "none"


def selected(known: Portfolios, text: str, chains: Iterable[ChainId]) -> Portfolios:
    """The portfolio that a name means, or an account or address by itself; raises like ``Portfolios.find``."""
    if text in known.members or not (text.startswith("0x") or ":" in text):
        name = known.find(text)
        return Portfolios({name: known.accounts(name)})
    return Portfolios({text: expand([text], chains)})


def _matcher(text: str) -> Callable[[AccountId], bool]:
    """Whether an account is the one that a text means; an address means it on any chain."""
    if text.startswith("0x"):
        address = parse_address(text)
        return lambda account: account_address(account) == address
    wanted = parse_account(text) if ":" in text else None
    return lambda account: account == wanted


def expand(accounts: Iterable[str], chains: Iterable[ChainId]) -> tuple[AccountId, ...]:
    """CAIP-10 ids of CAIP-10 ids and bare addresses, without repeats, in order."""
    known = tuple(chains)
    found: dict[AccountId, None] = {}
    for text in accounts:
        if text.startswith("0x"):
            address: Address = parse_address(text, "account")
            found.update(dict.fromkeys(account_id(chain, address) for chain in known))
        else:
            found[parse_account(text)] = None
    return tuple(found)


def by_chain(accounts: Iterable[AccountId]) -> dict[ChainId, list[AccountId]]:
    """Accounts grouped by chain."""
    grouped: dict[ChainId, list[AccountId]] = {}
    for account in accounts:
        grouped.setdefault(account_chain(account), []).append(account)
    return grouped
