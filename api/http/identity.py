"""From a request's credentials to its caller."""

import time
from collections import OrderedDict
from dataclasses import replace

from aiohttp import web

from aggregator.access.keys import PREFIX as KEY_PREFIX
from aggregator.access.keys import Keys
from aggregator.access.sessions import Sessions
from aggregator.access.settings import AccessSettings
from aggregator.clock import utc_now
from aggregator.store.repository import Store
from api.errors import Problem
from api.http.caller import ANONYMOUS, Caller
from api.http.endpoint import Scope

COOKIE = "crossmargin_session"
TRUSTED_S = 2.0
"""How long a credential is not asked about again; revoking here acts at once, elsewhere after this."""
MOST = 2_000
WALLET = frozenset({Scope.READ, Scope.SIMULATE, Scope.WATCH})


class Identity:
    """Finds who asks."""

    def __init__(self, access: AccessSettings, store: Store) -> None:
        scopes = frozenset(Scope(name) for name in access.public_scopes) if access.public else frozenset()
        self._nobody = replace(ANONYMOUS, scopes=scopes)
        self._keys, self._sessions = Keys(store), Sessions(store)
        self._known: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    def known(self, request: web.Request) -> Caller | None:
        """The caller of a request where nobody need be asked; else None."""
        sent = request.headers
        given = sent.get("Authorization")
        if given is None:
            return self._nobody if "X-API-Key" not in sent and "Cookie" not in sent else None
        found = self._known.get(given[7:]) if given.startswith("Bearer ") else None
        return found[0] if found is not None and time.monotonic() < found[1] else None

    async def of(self, request: web.Request) -> Caller:
        """The caller of a request; raises Problem 401 for a credential that does not work."""
        token = token_of(request)
        if token is None:
            return self._nobody
        known = self._known.get(token)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        caller = await self._ask(token)
        if caller is None:
            self._known.pop(token, None)
            error = Problem(401, "unauthorized", "this key or session does not work (any more)")
            error.headers["WWW-Authenticate"] = 'Bearer realm="crossmargin", error="invalid_token"'
            raise error
        self._known[token] = (caller, time.monotonic() + TRUSTED_S)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return caller

    def forget(self) -> None:
        """Ask about every credential again."""
        self._known.clear()

    async def _ask(self, token: str) -> Caller | None:
        now = utc_now()
        if token.startswith(KEY_PREFIX):
            key = await self._keys.of_secret(token, now)
            if key is None:
                return None
            names = None if key.portfolios is None else frozenset(key.portfolios)
            return Caller(key.id, frozenset(Scope(scope) for scope in key.scopes), portfolios=names)
        session = await self._sessions.of_token(token, now)
        return None if session is None else Caller(session.address, WALLET, address=session.address)


IDENTITY: web.AppKey[Identity] = web.AppKey("identity", Identity)


def token_of(request: web.Request) -> str | None:
    """The credential that a request carries; None where it carries none."""
    sent = request.headers.get("Authorization")
    if sent is not None:
        kind, _, token = sent.partition(" ")
        if kind.lower() != "bearer" or not 8 <= len(token) <= 200:
            raise Problem(401, "unauthorized", "expected Authorization: Bearer and a key or session")
        return token
    return request.headers.get("X-API-Key") or request.cookies.get(COOKIE)
