"""From a request's credentials to its caller."""

from aiohttp import web

from aggregator.access.settings import AccessSettings
from api.http.caller import ANONYMOUS, Caller
from api.http.endpoint import Scope


class Identity:
    """Finds who asks."""

    def __init__(self, access: AccessSettings) -> None:
        scopes = frozenset(Scope(name) for name in access.public_scopes) if access.public else frozenset()
        self._nobody = Caller("anonymous", scopes) if scopes else ANONYMOUS

    async def of(self, request: web.Request) -> Caller:
        """The caller of a request."""
        return self._nobody
