"""One row of the table of endpoints: what the router, the access check and the specification are made from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web
from pydantic import BaseModel

if TYPE_CHECKING:
    from api.http.caller import Caller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Body(NamedTuple):
    """A JSON answer as bytes."""

    plain: bytes
    etag: str
    packed: bytes | None = None
    """Compressed."""


class Scope(StrEnum):
    """What a caller must be allowed to do."""

    OPEN = "open"
    """Anybody: health, the specification, signing in."""
    READ = "read"
    SIMULATE = "simulate"
    WATCH = "watch"
    """Make and change watches, account sets and receivers; acknowledge alerts."""
    ADMIN = "admin"
    """Keys and the audit log. Implies all others."""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One operation."""

    method: str
    path: str
    handler: Handler
    scope: Scope
    summary: str
    tag: str
    answer: type[BaseModel] | None = None
    """Model of the answer; None: not JSON, see ``media``."""
    status: int = 200
    media: str = "application/json"
    query: type[BaseModel] | None = None
    """Query parameters; other names are refused."""
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None
    """Of the answer."""
    body_example: Mapping[str, Any] | None = None
    also: tuple[int, ...] = ()
    """Problems beyond those that every endpoint of its kind has."""
    most_bytes: int | None = None
    """Largest body; None: the setting's."""
    timeout_s: float | None = None
    """How long it may take; None: the setting's, 0: for ever (streams)."""
    quick: "Callable[[web.Request, Caller], Body | None] | None" = None
    """What is at hand without waiting for anything; tried before the handler, which gives the same."""
    keeps_secret: bool = False
    """The answer holds a secret once: never kept for an Idempotency-Key."""

    @property
    def operation_id(self) -> str:
        """Name of the operation: that of its handler."""
        return self.handler.__name__
