"""Who may do what: every endpoint times every role, keys, wallet sessions, account sets, limits."""

import json
import re
from datetime import timedelta

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from aggregator.access.kept import KeptAnswers
from aggregator.access.keys import Keys
from aggregator.access.sessions import Sessions
from aggregator.access.settings import OPEN_TO_ALL, AccessSettings
from aggregator.clock import utc_now
from api.http.deps import DEPS
from api.http.endpoint import Scope
from api.http.table import TABLE
from tests.kit.api import NAME, PRIVATE, api, key_for
from tests.kit.world import OWNER

ROLES = ("nobody", "read", "simulate", "watch", "admin", "wallet", "ended")
OPENED = {
    "nobody": set(),
    "read": {Scope.READ},
    "simulate": {Scope.SIMULATE},
    "watch": {Scope.WATCH},
    "admin": set(Scope),
    "wallet": {Scope.READ, Scope.SIMULATE, Scope.WATCH},
    "ended": set(),
}


@pytest.fixture
async def client(tmp_path):
    async with api(tmp_path, PRIVATE) as opened:
        yield opened


async def credentials(client, role: str) -> dict[str, str]:
    store = client.app[DEPS].store
    match role:
        case "nobody":
            return {}
        case "wallet":
            token, _ = await Sessions(store).open(OWNER, "eip155:1", utc_now(), 60)
            return {"Authorization": f"Bearer {token}"}
        case "ended":
            headers = await key_for(client, "admin")
            (key, *_) = await Keys(store).all()
            await Keys(store).revoke(key.id, utc_now(), actor="test")
            return headers
        case _:
            return await key_for(client, role)


@pytest.mark.parametrize("role", ROLES)
async def test_every_endpoint_opens_to_the_roles_of_its_scope_only(client, role):
    headers = await credentials(client, role)
    seen = {}
    for endpoint in TABLE:
        if endpoint.timeout_s == 0 or endpoint.operation_id == "end_session":
            continue
        path = re.sub(r"\{\w+[^}]*\}", "none", endpoint.path)
        response = await client.request(endpoint.method, path, headers=headers, json={} if endpoint.body else None)
        refused = response.status in {401, 403}
        may = endpoint.scope is Scope.OPEN or endpoint.scope in OPENED[role]
        # An ended key is refused everywhere: whoever sends one is told, whatever they ask for.
        if role == "ended":
            may = False
        if may and "auth/siwe/verify" not in path:
            assert not refused, (role, endpoint.method, path, await response.text())
        if not may:
            assert response.status == (401 if role in {"nobody", "ended"} else 403), (role, endpoint.path)
        seen[endpoint.operation_id] = refused
    assert len(seen) >= 20


async def test_a_wallet_sees_only_what_its_addresses_own(client):
    stranger = Account.create()
    tokens = {}
    for address in (OWNER, stranger.address):
        token, _ = await Sessions(client.app[DEPS].store).open(address, "eip155:1", utc_now(), 60)
        tokens[address] = {"Authorization": f"Bearer {token}"}
    assert (await client.get(f"/v1/accounts/{NAME}/margin", headers=tokens[OWNER])).status == 200
    for path in (f"/v1/accounts/{NAME}/margin", f"/v1/accounts/{OWNER}/margin", f"/v1/alerts?portfolio={NAME}"):
        response = await client.get(path, headers=tokens[stranger.address])
        assert response.status == 404
        known = (await response.json())["detail"].partition("known:")[2]
        assert NAME not in known, "what is not visible must not be told"
    rows = await (await client.get("/v1/accounts", headers=tokens[stranger.address])).json()
    assert rows["accounts"] == []
    asked = {"simulations": [{"portfolio": NAME}]}
    response = await client.post("/v1/margin/simulate", json=asked, headers=tokens[stranger.address])
    assert response.status == 404


async def test_a_key_may_be_confined_to_portfolios(client):
    headers = await key_for(client, "read", portfolios=("other",))
    assert (await client.get(f"/v1/accounts/{NAME}/margin", headers=headers)).status == 404


async def test_account_sets_are_private_to_their_maker(client):
    mine, theirs = [await key_for(client, "read", "watch") for _ in range(2)]
    admin = await key_for(client, "admin")
    body = {"name": "mine", "accounts": [f"eip155:1:{OWNER}"]}
    made = await client.post("/v1/account-sets", json=body, headers=mine)
    assert made.status == 201
    name = (await made.json())["portfolio"]
    assert name.startswith("mine-")

    async def seen(headers):
        body = await (await client.get("/v1/accounts", headers=headers)).json()
        return {row["portfolio"] for row in body["accounts"]}

    assert name in await seen(mine)
    assert name in await seen(admin)
    assert name not in await seen(theirs)
    assert (await client.delete(f"/v1/account-sets/{name}", headers=theirs)).status == 404
    assert (await client.delete(f"/v1/account-sets/{name}", headers=mine)).status == 204
    assert name not in await seen(admin)
    assert (await client.delete(f"/v1/account-sets/{NAME}", headers=admin)).status == 409
    again = (await (await client.post("/v1/account-sets", json=body, headers=mine)).json())["portfolio"]
    assert (await client.delete(f"/v1/account-sets/{again}", headers=admin)).status == 204
    noted = (await (await client.get("/v1/audit", headers=admin)).json())["lines"][0]
    assert (noted["action"], noted["subject"]) == ("account_set.removed", again)


async def test_keys_are_kept_as_hashes_rotate_with_an_overlap_and_end_at_once(client):
    admin = await key_for(client, "admin")
    made = await (await client.post("/v1/keys", json={"name": "bot", "scopes": ["read"]}, headers=admin)).json()
    listed = await (await client.get("/v1/keys", headers=admin)).text()
    assert made["secret"] not in listed
    old = {"X-API-Key": made["secret"]}
    assert (await client.get("/v1/accounts", headers=old)).status == 200
    turned = await (await client.post(f"/v1/keys/{made['id']}/rotate", headers=admin)).json()
    assert (await client.get("/v1/accounts", headers={"X-API-Key": turned["secret"]})).status == 200
    assert (await client.get("/v1/accounts", headers=old)).status == 200
    keys = {key.id: key for key in await Keys(client.app[DEPS].store).all()}
    assert not keys[made["id"]].works(utc_now() + timedelta(hours=25))
    assert keys[made["id"]].last_used_at is not None
    assert (await client.delete(f"/v1/keys/{turned['id']}", headers=admin)).status == 204
    assert (await client.get("/v1/accounts", headers={"X-API-Key": turned["secret"]})).status == 401
    lines = (await (await client.get("/v1/audit", headers=admin)).json())["lines"]
    actions = [line["action"] for line in lines]
    assert actions[:3] == ["key.revoked", "key.rotated", "key.created"]
    assert lines[0]["actor"].startswith("key_")


async def test_public_mode_answers_everybody_within_its_scopes(tmp_path):
    async with api(tmp_path, AccessSettings(public=True)) as client:
        assert (await client.get("/v1/accounts")).status == 200
        assert (await client.get("/v1/keys")).status == 401


async def test_a_used_up_limit_says_when_to_come_back(tmp_path):
    async with api(tmp_path, AccessSettings(public=True, requests_per_minute=3)) as client:
        left = [(await client.get("/v1/accounts")).headers["RateLimit"] for _ in range(3)]
        assert [re.search(r"r=(\d+)", text)[1] for text in left] == ["2", "1", "0"]
        refused = await client.get("/v1/accounts")
        assert refused.status == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert refused.headers["RateLimit-Policy"] == '"default";q=3;w=60'
        assert (await client.get("/livez")).status == 200


def message(client, nonce: str, address: str, **changes: str) -> str:
    parts = {"domain": f"{client.host}:{client.port}", "chain": "1", "issued": f"{utc_now():%Y-%m-%dT%H:%M:%SZ}"}
    parts |= changes
    return (
        f"{parts['domain']} wants you to sign in with your Ethereum account:\n{address}\n\n\n"
        f"URI: http://{parts['domain']}\nVersion: 1\nChain ID: {parts['chain']}\nNonce: {nonce}\n"
        f"Issued At: {parts['issued']}" + parts.get("more", "")
    )


def signed(text: str, account) -> dict[str, str]:
    signature = account.sign_message(encode_defunct(text=text)).signature.to_0x_hex()
    return {"message": text, "signature": signature}


async def fresh(client) -> str:
    return (await (await client.post("/v1/auth/siwe/nonce")).json())["nonce"]


async def test_a_wallet_signs_in_once_per_nonce(client):
    wallet, nonce = Account.create(), await fresh(client)
    body = signed(message(client, nonce, wallet.address), wallet)
    answer = await client.post("/v1/auth/siwe/verify", json=body)
    assert answer.status == 201
    token = (await answer.json())["token"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    client.session.cookie_jar.clear()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/v1/accounts", headers=headers)).status == 200
    again = await client.post("/v1/auth/siwe/verify", json=body)
    assert again.status == 401
    assert (await client.delete("/v1/auth/session", headers=headers)).status == 204
    client.session.cookie_jar.clear()
    assert (await client.get("/v1/accounts", headers=headers)).status == 401


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"domain": "evil.example"}, "domain"),
        ({"more": "\nExpiration Time: 2020-01-01T00:00:00Z"}, "expired"),
        ({"more": "\nNot Before: 2999-01-01T00:00:00Z"}, "not valid yet"),
        ({"issued": "yesterday"}, "EIP-4361"),
    ],
)
async def test_a_message_for_elsewhere_or_another_time_is_refused(client, changes, says):
    wallet = Account.create()
    text = message(client, await fresh(client), wallet.address, **changes)
    answer = await client.post("/v1/auth/siwe/verify", json=signed(text, wallet))
    assert answer.status == 401
    assert says in (await answer.json())["detail"]


async def test_a_name_that_only_the_request_gives_is_nobodys_domain(client, tmp_path):
    """A page that had a wallet sign in to itself cannot pass that on under its own name."""
    wallet = Account.create()
    text = message(client, await fresh(client), wallet.address, domain="evil.example")
    there = {"Host": "evil.example"}
    assert (await client.post("/v1/auth/siwe/nonce", headers=there)).status == 421
    answer = await client.post("/v1/auth/siwe/verify", json=signed(text, wallet), headers=there)
    assert answer.status == 421
    own = PRIVATE.model_copy(update={"domains": ("margin.example",)})
    async with api(tmp_path, own) as named:
        for domain, status in (("evil.example", 401), ("margin.example", 201)):
            text = message(named, await fresh(named), wallet.address, domain=domain)
            answer = await named.post("/v1/auth/siwe/verify", json=signed(text, wallet), headers={"Host": domain})
            assert answer.status == status, await answer.text()


async def test_another_wallets_signature_is_refused_and_uses_the_nonce_up(client):
    wallet, other = Account.create(), Account.create()
    text = message(client, await fresh(client), wallet.address)
    assert (await client.post("/v1/auth/siwe/verify", json=signed(text, other))).status == 401
    assert (await client.post("/v1/auth/siwe/verify", json=signed(text, wallet))).status == 401


async def test_strangers_do_not_share_their_idempotency_keys(tmp_path):
    access = OPEN_TO_ALL.model_copy(update={"trust_forwarded": True})
    async with api(tmp_path, access) as client:
        for number in (1, 2, 1):
            body = {"name": f"set-{number}", "accounts": [f"eip155:1:{OWNER}"]}
            sent = {"Idempotency-Key": "one", "X-Forwarded-For": f"192.0.2.{number}"}
            assert (await client.post("/v1/account-sets", json=body, headers=sent)).status == 201


async def test_a_key_whose_first_request_died_is_free_again(client):
    kept, now = KeptAnswers(client.app[DEPS].store), utc_now()
    assert await kept.begin("me", "one", "hash", now) is None
    assert (await kept.begin("me", "one", "hash", now + timedelta(minutes=9))).body is None
    assert await kept.begin("me", "one", "hash", now + timedelta(minutes=11)) is None
    await kept.finish("me", "one", 201, b"{}", now + timedelta(minutes=12))
    assert (await kept.begin("me", "one", "hash", now + timedelta(hours=23))).body == b"{}"
    assert await kept.begin("me", "one", "hash", now + timedelta(hours=25)) is None


async def test_a_repeated_post_gives_the_first_answer_and_does_nothing_again(client):
    headers = await key_for(client, "read", "watch") | {"Idempotency-Key": "one"}
    body = {"name": "twice", "accounts": [f"eip155:1:{OWNER}"]}
    first, again = [await client.post("/v1/account-sets", json=body, headers=headers) for _ in range(2)]
    assert (first.status, again.status) == (201, 201)
    assert await first.json() == await again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await client.post("/v1/account-sets", json=body | {"name": "else"}, headers=headers)
    assert other.status == 422
    sets = json.loads(await (await client.get("/v1/account-sets", headers=headers)).text())["account_sets"]
    assert len(sets) == 1
    wrong = await client.post("/v1/account-sets", json=body, headers=headers | {"Idempotency-Key": "a b"})
    assert wrong.status == 400
