"""JSON over HTTP from one provider: bounded in time and size, with every failure as the reason of a gap.

No message ever holds the address: keys may stand in it. A provider that asks for fewer requests is left alone for
as long as it says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from oracles.clocks import ClockMeter
from oracles.sources.onchain import Unread

Clock = Callable[[], float]
"""Unix seconds now."""
MAX_BYTES = 4_000_000
PAUSE_S = 60.0
"""After HTTP 429 without Retry-After (Hermes: 60 s)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded body and when it came."""

    body: Any
    received_at: float


class JsonHttp:
    """One provider's HTTP side. Open it with ``async with``."""

    def __init__(
        self,
        name: str,
        base_url: str,
        clock: Clock,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
        meter: ClockMeter | None = None,
    ) -> None:
        self.name = name
        self._base = base_url.rstrip("/")
        self._clock = clock
        self._headers = dict(headers or {})
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._meter = meter
        self._session: aiohttp.ClientSession | None = None
        self._paused_until = 0.0

    async def __aenter__(self) -> "JsonHttp":
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer | Unread:
        """The decoded answer, or why there is none."""
        if self._session is None:
            raise RuntimeError(f"{self.name}: used outside of `async with`")
        asked = self._clock()
        if asked < self._paused_until:
            return Unread("rate_limited", f"paused for another {self._paused_until - asked:.0f} s")
        try:
            async with self._session.get(
                self._base + path, params=list(params), allow_redirects=False
            ) as response:
                return self._read(response, await _body(response), asked)
        except TimeoutError:
            return Unread("unreachable", f"no answer in {self._timeout.total:g} s")
        except aiohttp.ClientError as error:
            return Unread("unreachable", type(error).__name__)

    def _read(self, response: aiohttp.ClientResponse, raw: bytes, asked: float) -> Answer | Unread:
        received = self._clock()
        if response.status == 429:
            wait = response.headers.get("Retry-After", "")
            pause = float(wait) if wait.isascii() and wait.isdigit() else PAUSE_S
            self._paused_until = received + pause
            return Unread("rate_limited", f"HTTP 429, pausing for {pause:.0f} s")
        if response.status in {401, 403}:
            return Unread("unreachable", f"HTTP {response.status}: check the key of {self.name}")
        if response.status != 200:
            return Unread("unreachable", f"HTTP {response.status}")
        if len(raw) > MAX_BYTES:
            return Unread("undecodable", f"answer above {MAX_BYTES} bytes")
        self._note_clock(response, asked, received)
        try:
            return Answer(msgspec.json.decode(raw), received)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Unread("undecodable", f"{len(raw)} bytes that are not JSON")

    def _note_clock(self, response: aiohttp.ClientResponse, asked: float, received: float) -> None:
        date = response.headers.get("Date")
        if self._meter is None or date is None:
            return
        try:
            self._meter.answer(self.name, parsedate_to_datetime(date).timestamp(), asked, received)
        except (ValueError, TypeError):
            return


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, or a little more than the limit of it."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            break
    return b"".join(parts)
