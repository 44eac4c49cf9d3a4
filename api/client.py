"""A client of the HTTP API for the command line and the MCP server: problems become errors that name the fix."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from aggregator.errors import ConfigError, ServiceError

FIXES = {
    "unauthorized": "give a key with --key or CROSSMARGIN_KEY; `crossmargin keys create` makes one",
    "forbidden": "`crossmargin keys create` makes a key with other scopes",
    "no_report_yet": "run `crossmargin scan` or `crossmargin serve`",
    "no_such_report": "`crossmargin get history <portfolio>` lists ids",
    "unknown_portfolio": "`crossmargin get accounts` lists them",
    "no_such_price": "`crossmargin get prices` lists keys",
    "no_signing_key": "set statements.signing_key_file",
    "too_many_requests": "access.requests_per_minute sets the limit",
}
"""By the problem's code."""


class ApiRefused(ServiceError):
    """The API understood the request and will not answer it; names the fix where one is known."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ApiUnreachable(ServiceError):
    """The API, or something that it needs, cannot be reached."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    body: bytes
    following: str | None
    """Cursor of the next page."""


class ApiClient:
    """Requests to one API."""

    def __init__(self, session: aiohttp.ClientSession, key: str | None, where: str) -> None:
        self._session, self._where = session, where
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET; raises ApiRefused or ApiUnreachable."""
        async with self._asked("GET", path, dict(query or {}), None) as response:
            link = response.links.get("next")
            following = None if link is None else URL(str(link["url"])).query.get("cursor")
            return Answer(await response.read(), following)

    async def post(self, path: str, body: bytes) -> Answer:
        """The answer to a POST of JSON; raises like ``get``."""
        async with self._asked("POST", path, {}, body) as response:
            return Answer(await response.read(), None)

    async def lines(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Lines of an answer that does not end."""
        async with self._asked("GET", path, dict(query), None, endless=True) as response:
            async for line in response.content:
                yield line.decode().rstrip("\n")

    @contextlib.asynccontextmanager
    async def _asked(
        self, method: str, path: str, query: dict[str, str], body: bytes | None, *, endless: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        timeout = aiohttp.ClientTimeout(total=None if endless else 90, sock_connect=10)
        try:
            async with self._session.request(
                method, path, params=query, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status >= 300:
                    raise _problem(response.status, await response.read())
                yield response
        except (TimeoutError, aiohttp.ClientError) as error:
            kind = type(error).__name__
            raise ApiUnreachable(
                f"{self._where} does not answer ({kind}): is `crossmargin serve` running?"
            ) from None


def _problem(status: int, body: bytes) -> ServiceError:
    try:
        told = msgspec.json.decode(body)
        code, detail, errors = str(told["code"]), str(told["detail"]), told.get("errors", [])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ApiUnreachable(f"the answer is no crossmargin answer (HTTP {status}): correct --url")
    if status == 503 and "wrong" in told:
        return ApiUnreachable("; ".join(told["wrong"]))
    places = "; ".join(f"{item['loc']}: {item['msg']}" for item in errors[1:])
    fix = f" ({FIXES[code]})" if code in FIXES else ""
    text = "; ".join(filter(None, (detail, places))) + fix
    return ApiUnreachable(text) if status >= 500 and code not in FIXES else ApiRefused(code, text)


@contextlib.asynccontextmanager
async def remote_api(url: str, key: str | None) -> AsyncIterator[ApiClient]:
    """A client of a running service."""
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url: expected http://… or https://…, was {url[:60]!r}")
    async with aiohttp.ClientSession(url.rstrip("/") + "/") as session:
        yield ApiClient(session, key, "the service at --url")


def path_of(template: str, given: Mapping[str, str]) -> str:
    """A path with its parts filled in, relative to the service's address."""
    for name, value in given.items():
        template = template.replace("{" + name + "}", quote(value, safe=":"))
    return template.lstrip("/")
