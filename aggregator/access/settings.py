"""Settings of the HTTP API: who may see what, limits, origins."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ScopeName = Literal["read", "simulate", "watch", "admin"]


class AccessSettings(BaseModel):
    """Private unless said otherwise: without a key or a wallet session nothing but health is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    public: bool = False
    """Answer everybody within ``public_scopes``: for a machine of one's own."""
    public_scopes: tuple[ScopeName, ...] = ("read", "simulate")
    domains: tuple[str, ...] = ()
    """Hosts (with port) that a wallet may sign in to; empty: the service's own address."""
    session_s: int = Field(default=1800, ge=60, le=86_400)
    """How long a wallet stays signed in."""
    nonce_s: int = Field(default=300, ge=30, le=3600)
    requests_per_minute: int = Field(default=1200, ge=1)
    """Per key, session or (without one) address."""
    simulations_per_minute: int = Field(default=240, ge=1)
    origins: tuple[str, ...] = ()
    """Origins whose pages may call the API (CORS); ``*``: any."""
    most_body_bytes: int = Field(default=1_048_576, ge=1024)
    body_timeout_s: float = Field(default=10, gt=0)
    """For a request's headers, and again for its body, to arrive."""
    request_timeout_s: float = Field(default=20, gt=0)
    trust_forwarded: bool = False
    """Take the caller's address from ``X-Forwarded-For``: only behind a proxy of one's own."""


OPEN_TO_ALL = AccessSettings(
    public=True,
    public_scopes=("read", "simulate", "watch", "admin"),
    requests_per_minute=10_000_000,
    simulations_per_minute=10_000_000,
)
"""Everybody may do everything, without limits: for tests and for a machine of one's own."""
