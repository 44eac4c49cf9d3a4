"""Signing in with a wallet (EIP-4361), and account sets."""

from datetime import datetime

from aiohttp import web
from pydantic import Field

from aggregator.access.keys import Keys
from aggregator.access.sessions import Sessions
from aggregator.access.sets import AccountSet, AccountSets
from aggregator.access.siwe import (
    SignIn,
    SignInRefused,
    check_claims,
    parse_message,
    signed_by_contract,
    signed_by_key,
)
from aggregator.clock import utc_now
from aggregator.report import Frozen
from api.errors import Problem
from api.http.answer import Body, body_of, reply
from api.http.caller import CALLER, may_see, visible
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.hosts import is_own_address, unknown_host
from api.http.identity import COOKIE, IDENTITY, token_of
from api.http.models import Answer, nothing_read
from chains.caip import ChainId
from chains.errors import ChainError
from chains.types import Finality


class Nonce(Answer):
    """What a message must carry to be accepted."""

    nonce: str
    expires_at: datetime
    domain: str
    uri: str
    chains: tuple[str, ...]
    """CAIP-2; any of them."""


class SignInBody(Body):
    """A signed message."""

    message: str = Field(min_length=1, max_length=4096)
    signature: str = Field(pattern=r"^0x([0-9a-fA-F]{2}){1,2048}$", max_length=4098)


class SessionAnswer(Answer):
    """A session; the token is shown once."""

    token: str
    address: str
    chain: str
    expires_at: datetime


class SetRow(Frozen):
    """An account set."""

    portfolio: str
    """Its name among the accounts."""
    accounts: tuple[str, ...]
    created_at: datetime


class SetAnswer(SetRow, Answer):
    """An account set that was made."""


class SetsAnswer(Answer):
    """Account sets that the caller may see."""

    account_sets: tuple[SetRow, ...]


class SetBody(Body):
    """An account set to make."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    accounts: tuple[str, ...] = Field(min_length=1, max_length=200)
    """CAIP-10 ids, or bare addresses, which mean the address on every configured chain."""


def _domains(request: web.Request) -> tuple[str, ...]:
    """Hosts that a message may be for: the settings', else this machine's own address.

    A name that only the request gives may be anybody's: a page could pass on what a wallet has signed for itself.
    """
    domains = request.app[DEPS].access.domains
    if not domains and not is_own_address(request):
        raise unknown_host(request)
    return domains or (request.host,)


def _chains(request: web.Request) -> tuple[ChainId, ...]:
    wired = request.app[DEPS].wired
    return () if wired is None else tuple(wired.clients)


async def new_nonce(request: web.Request) -> web.Response:
    """A nonce for one EIP-4361 message, with the domain and chains that it must name."""
    deps, domain = request.app[DEPS], _domains(request)[0]
    nonce, ends = await Sessions(deps.store).nonce(utc_now(), deps.access.nonce_s)
    chains = _chains(request)
    uri = f"{request.scheme}://{domain}"
    about = nothing_read(utc_now())
    return reply(request, Nonce(**about, nonce=nonce, expires_at=ends, domain=domain, uri=uri, chains=chains), 201)


async def verify_siwe(request: web.Request) -> web.Response:
    """Open a session for the address that signed the message. The nonce is used up whatever comes of it."""
    given, deps, now = await body_of(request, SignInBody), request.app[DEPS], utc_now()
    sessions = Sessions(deps.store)
    try:
        message = parse_message(given.message)
        if not await sessions.take(message.nonce, now):
            raise SignInRefused("message: the nonce was not given here, has ended or was used")
        check_claims(message, _domains(request), _chains(request), now)
        if not await _signed(request, message, given):
            raise SignInRefused("signature: neither the address's own nor accepted by its contract")
    except SignInRefused as error:
        raise Problem(401, "sign_in_refused", str(error)) from None
    token, session = await sessions.open(message.address, message.chain, now, deps.access.session_s)
    answer = SessionAnswer(
        **nothing_read(now), token=token, address=session.address, chain=session.chain,
        expires_at=session.expires_at,
    )  # fmt: skip
    response = reply(request, answer, 201)
    response.set_cookie(
        COOKIE, token, max_age=deps.access.session_s, httponly=True, samesite="Strict", secure=request.secure
    )
    return response


async def _signed(request: web.Request, message: SignIn, given: SignInBody) -> bool:
    """Whether the address signed: by its key, or by its contract on the message's chain."""
    signature, wired = bytes.fromhex(given.signature[2:]), request.app[DEPS].wired
    if signed_by_key(given.message, signature, message.address):
        return True
    client = None if wired is None else wired.clients.get(message.chain)
    if client is None:
        return False
    try:
        at = await client.head(Finality.LATEST)
        return await signed_by_contract(client, given.message, signature, message.address, at)
    except ChainError as error:
        raise Problem(503, "chain_unavailable", str(error)) from None


async def end_session(request: web.Request) -> web.Response:
    """End the session that the request carries."""
    await Sessions(request.app[DEPS].store).close(token_of(request) or "")
    request.app[IDENTITY].forget()
    response = web.Response(status=204)
    response.del_cookie(COOKIE)
    return response


def _sets(request: web.Request) -> AccountSets:
    deps = request.app[DEPS]
    return AccountSets(deps.store, deps.portfolios)


def _row(found: AccountSet) -> dict[str, object]:
    return {"portfolio": found.name, "accounts": found.accounts, "created_at": found.created_at}


async def get_account_sets(request: web.Request) -> web.Response:
    """Account sets that the caller may see."""
    sets = _sets(request)
    await sets.load()
    rows = tuple(SetRow.model_validate(_row(s)) for s in await sets.all() if may_see(request, s.name))
    return reply(request, SetsAnswer(**_still(request), account_sets=rows))


async def add_account_set(request: web.Request) -> web.Response:
    """Make an account set: private to its maker, looked at from the next scan on.

    A wallet session may only name its own address.
    """
    given, caller = await body_of(request, SetBody), request[CALLER]
    chains = _chains(request)
    found = await _sets(request).add(given.name, caller.id, given.accounts, chains, utc_now(), caller.address)
    return reply(request, SetAnswer.model_validate({**_row(found), **_still(request)}), 201)


async def remove_account_set(request: web.Request) -> web.Response:
    """Look at an account set no more; its stored reports stay."""
    name, caller = visible(request, request.match_info["id"]), request[CALLER]
    owner = request.app[DEPS].portfolios.owners.get(name)
    if owner is None:
        raise Problem(409, "from_settings", f"{name!r} stands in the settings file, which alone can remove it")
    if owner != caller.id and Scope.ADMIN not in caller.scopes:
        raise Problem(403, "forbidden", "only its maker or an administrator may remove it")
    await _sets(request).remove(name)
    if owner != caller.id:
        await Keys(request.app[DEPS].store).note(utc_now(), caller.id, "account_set.removed", name)
    return web.Response(status=204)


def _still(request: web.Request) -> dict[str, object]:
    return nothing_read(request.app[DEPS].started)


_T, _ACC = "sign-in", "account sets"
_ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_SIGNED = {
    "message": f"margin.example.org wants you to sign in with your Ethereum account:\n{_ADDRESS}\n\n\n"
    "URI: https://margin.example.org\nVersion: 1\nChain ID: 1\nNonce: 0123456789abcdef0123456789abcdef\n"
    "Issued At: 2026-01-02T03:04:05Z",
    "signature": "0x" + "5a" * 64 + "1b",
}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/v1/auth/siwe/nonce", new_nonce, Scope.OPEN, "A nonce for one message", _T, Nonce, 201,
             keeps_secret=True, also=(421,)),
    Endpoint("POST", "/v1/auth/siwe/verify", verify_siwe, Scope.OPEN, "A session for a signed message", _T,
             SessionAnswer, 201, body=SignInBody, body_example=_SIGNED, also=(401, 421), keeps_secret=True,
             most_bytes=16_384),
    Endpoint("DELETE", "/v1/auth/session", end_session, Scope.OPEN, "End the session", _T, None, 204, also=(401,)),
    Endpoint("GET", "/v1/account-sets", get_account_sets, Scope.READ, "Account sets", _ACC, SetsAnswer),
    Endpoint("POST", "/v1/account-sets", add_account_set, Scope.WATCH, "Make an account set", _ACC, SetAnswer, 201,
             body=SetBody, body_example={"name": "treasury", "accounts": [_ADDRESS]}),
    Endpoint("DELETE", "/v1/account-sets/{id}", remove_account_set, Scope.WATCH, "Remove an account set", _ACC,
             None, 204, also=(404, 409)),
)  # fmt: skip
