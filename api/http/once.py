"""Idempotency-Key: a POST that is repeated gives the first one's answer and does nothing again."""

import hashlib
import re

from aiohttp import web

from aggregator.access.kept import KeptAnswer, KeptAnswers
from aggregator.access.settings import AccessSettings
from aggregator.clock import utc_now
from aggregator.store.repository import Store
from api.errors import Problem
from api.http.answer import BODY, ENDPOINT, error_at, raw_body
from api.http.caller import ANONYMOUS, CALLER
from api.http.endpoint import Handler
from api.http.hosts import caller_address

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MOST_KEPT_BYTES = 1_048_576


class Once:
    """Answers kept by caller and key."""

    def __init__(self, store: Store, access: AccessSettings) -> None:
        self._kept, self._access = KeptAnswers(store), access

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The kept answer, or the handler's, which is then kept."""
        key = request.headers["Idempotency-Key"]
        if _KEY.fullmatch(key) is None or request[ENDPOINT].keeps_secret:
            words = "1 to 128 letters, digits, . _ : -; not where the answer holds a secret"
            raise Problem(
                400, "bad_request", f"Idempotency-Key: {words}", (error_at(("Idempotency-Key",), words),)
            )
        body = await raw_body(request)
        request[BODY] = body
        caller = request[CALLER].id
        if caller == ANONYMOUS.id:  # strangers do not share their keys
            caller = f"{caller} {caller_address(request, self._access)}"
        digest = hashlib.sha256(f"{request.method} {request.rel_url}\n".encode() + body).hexdigest()
        known = await self._kept.begin(caller, key, digest, utc_now())
        if known is not None:
            return _again(known, digest)
        return await self._first(request, handler, caller, key)

    async def _first(self, request: web.Request, handler: Handler, caller: str, key: str) -> web.StreamResponse:
        done = False
        try:
            answer = await handler(request)
            text = answer.body if isinstance(answer, web.Response) else None
            if isinstance(text, bytes) and answer.status < 300 and len(text) <= MOST_KEPT_BYTES:
                await self._kept.finish(caller, key, answer.status, text, utc_now())
                done = True
            return answer
        finally:
            if not done:
                await self._kept.forget(caller, key)


def _again(known: KeptAnswer, digest: str) -> web.Response:
    if known.request_hash != digest:
        raise Problem(422, "idempotency_mismatch", "Idempotency-Key: used before with another request")
    if known.body is None:
        raise Problem(409, "idempotency_busy", "Idempotency-Key: the first request is still being worked on")
    headers = {"Idempotency-Replayed": "true", "Content-Type": "application/json"}
    return web.Response(status=known.status, body=known.body, headers=headers)
