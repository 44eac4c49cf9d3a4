"""Who asks, and what they may see."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from aggregator.errors import UnknownPortfolio
from api.http.deps import DEPS
from api.http.endpoint import Scope
from chains.caip import AccountId, Address, account_address

ALL = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller of the API."""

    id: str
    """``key_…``, an address that has signed in, or ``anonymous``."""
    scopes: frozenset[Scope]
    address: Address | None = None
    """Set for a wallet session: only what this address owns is visible."""
    portfolios: frozenset[str] | None = None
    """Set for a key that is confined to some portfolios."""

    def may(self, scope: Scope) -> bool:
        """Whether the caller may use an endpoint of this scope."""
        return scope is Scope.OPEN or scope in self.scopes or Scope.ADMIN in self.scopes

    def sees(self, name: str, accounts: Iterable[AccountId], owner: str | None) -> bool:
        """Whether a portfolio is visible; ``owner`` is set for account sets made by somebody else's call."""
        if Scope.ADMIN in self.scopes:
            return True
        if self.address is not None:
            return all(account_address(account) == self.address for account in accounts)
        if self.portfolios is not None and name not in self.portfolios:
            return False
        return owner is None or owner == self.id


ANONYMOUS = Caller("anonymous", frozenset())
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


def may_see(request: web.Request, name: str) -> bool:
    """Whether the caller may see a portfolio."""
    known = request.app[DEPS].portfolios
    return request[CALLER].sees(name, known.accounts(name), known.owners.get(name))


def visible(request: web.Request, text: str) -> str:
    """Name of the portfolio that a text means. One that the caller may not see does not exist for them.

    Raises InvalidId for a malformed address, UnknownPortfolio otherwise.
    """
    known = request.app[DEPS].portfolios
    if text in known.members and may_see(request, text):
        return text
    seen = [name for name in known.names if may_see(request, name)]
    return known.only(seen).find(text)


def visible_names(request: web.Request) -> tuple[str, ...]:
    """All portfolios that the caller may see."""
    return tuple(name for name in request.app[DEPS].portfolios.names if may_see(request, name))


def seen_or_none(request: web.Request, text: str | None) -> str | None:
    """A filter by portfolio: None for none."""
    return None if text is None else visible(request, text)


__all__ = ["ALL", "ANONYMOUS", "CALLER", "Caller", "UnknownPortfolio", "may_see", "seen_or_none", "visible"]
