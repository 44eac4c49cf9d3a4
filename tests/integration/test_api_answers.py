"""Every answer of the API, with something to tell in each: its conventions, and who is told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from eth_utils.address import is_checksum_address

from aggregator.access.sessions import Sessions
from aggregator.clock import utc_now
from aggregator.scans import record
from aggregator.store.advice import AdviceLog
from aggregator.store.scans import ScanLog
from aggregator.watches.book import WatchBook
from aggregator.watches.watching import Watching
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.table import TABLE
from chains.caip import parse_account
from risk.status import Status
from tests.integration.test_advice_api import ADVICE
from tests.kit import world as hand
from tests.kit.api import NAME, PRIVATE, a_world, api, key_for
from tests.kit.world import OWNER

READS = tuple(endpoint for endpoint in TABLE if endpoint.method == "GET" and endpoint.answer is not None)
AMOUNT = re.compile(r"-?\d+(\.\d+)?")
NO_AMOUNT = {"unknown", "none"}
"""What a signed statement, whose types know no null, says instead."""
SOON = (utc_now() + timedelta(hours=1)).isoformat()
STRANGER = "0x00000000000000000000000000000000DeaDBeef"


@dataclass
class Full:
    """A service with one of everything, and what it is called."""

    client: object
    admin: dict[str, str]
    ids: dict[str, str]

    async def get(self, endpoint: Endpoint, headers: dict[str, str]):
        return await self.client.get(endpoint.path.format(**self.ids), headers=headers)


@pytest.fixture
async def full(tmp_path):
    async with api(tmp_path, PRIVATE) as client:
        store, admin = client.app[DEPS].store, await key_for(client, "admin")
        (made,) = hand.maker().make(a_world())
        first = await (await client.get(f"/v1/accounts/{NAME}/margin", headers=admin)).json()
        stamped = made.as_of.model_copy(update={"time": utc_now()})
        worse = made.model_copy(update={"status": Status.LIQUIDATABLE, "id": f"rep_{'7' * 32}", "as_of": stamped})
        (alert, *_) = await store.append([worse], Watching(WatchBook()), [])
        scan = record([worse], None, time=utc_now(), duration_s=0.5, alerts=1, skipped=0)
        await ScanLog(store).add(scan)
        await AdviceLog(store).add(NAME, worse.id, utc_now(), ADVICE)
        body = {"portfolio": NAME, "report": first["id"]}
        statement = await (await client.post("/v1/statements", json=body, headers=admin)).json()
        ids = {
            "id": NAME, "report": first["id"], "asset": "ETH", "watch": f"{NAME}:status", "scan": scan.id,
            "statement": statement["typed_data"]["message"]["id"], "alert": alert.id,
        }  # fmt: skip
        yield Full(client, admin, ids)


def walked(part: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value with the names that lead to it; places in lists are left out."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from walked(value, (*path, name))
    elif isinstance(part, list):
        for value in part:
            yield from walked(value, path)
    else:
        yield path, part


def unit_of(path: tuple[str, ...]) -> str:
    """The last name that ends in a unit: tables by asset or chain stand below it."""
    return next((name for name in reversed(path) if re.search(r"_(usd|bps)$", name)), "")


def conventions(answer: dict) -> None:
    """Decimal strings, EIP-55, CAIP, times with their zone; when it is true, and whether it is whole."""
    assert set(answer["data_quality"]) >= {"complete", "staleness_s", "degraded"}
    assert set(answer["as_of"]) >= {"time", "max_skew_s", "blocks"}
    for path, value in walked(answer):
        name = path[-1]
        if unit_of(path) and name not in {"label", "reason"}:
            words = NO_AMOUNT if "typed_data" in path else set()
            told = isinstance(value, str) and (AMOUNT.fullmatch(value) or value in words)
            assert value is None or told, (path, value)
        if isinstance(value, str):
            for address in re.findall(r"(?<![0-9a-zA-Z])0x[0-9a-fA-F]{40}(?![0-9a-fA-F])", value):
                assert is_checksum_address(address), (path, value)
        if name == "chain":
            assert re.fullmatch(r"eip155:\d+", value), (path, value)
        if name in {"account", "accounts"} and isinstance(value, str):
            parse_account(value.partition("/")[0])  # a venue's part of it has the venue behind
        if name in {"time", "created_at"} or (name.endswith("_at") and isinstance(value, str)):
            assert datetime.fromisoformat(value).tzinfo is not None, (path, value)


@pytest.mark.parametrize("endpoint", READS, ids=lambda e: e.operation_id)
async def test_every_answer_keeps_the_conventions(full, endpoint):
    answer = await full.get(endpoint, full.admin)
    assert answer.status == 200, await answer.text()
    conventions(await answer.json())
    assert re.fullmatch(r'"[0-9a-f]{32}(-gzip)?"', answer.headers["ETag"])
    assert answer.headers["X-Request-Id"]
    assert ("RateLimit" in answer.headers) == (endpoint.path not in {"/livez", "/readyz"})
    again = await full.client.get(
        endpoint.path.format(**full.ids), headers={**full.admin, "If-None-Match": answer.headers["ETag"]}
    )
    assert again.status == (304 if endpoint.path not in {"/livez", "/readyz"} else 200), "the same twice"


POSTS = (
    ("/v1/margin/simulate", {"simulations": [{"portfolio": NAME, "changes": {"spot_pct": "-10"}}]}, 200),
    ("/v1/statements", {"portfolio": NAME, "report": "{report}"}, 201),
    ("/v1/account-sets", {"name": "mine", "accounts": [f"eip155:1:{OWNER}"]}, 201),
    ("/v1/keys", {"name": "bot", "scopes": ["read"]}, 201),
    ("/v1/alerts/{alert}/ack", None, 200),
    ("/v1/watches/{watch}/mute", {"until": SOON}, 200),
    ("/v1/watches/{watch}/unmute", None, 200),
    ("/v1/auth/siwe/nonce", None, 201),
)


@pytest.mark.parametrize(("path", "body", "status"), POSTS, ids=[path for path, *_ in POSTS])
async def test_answers_to_what_is_sent_keep_them_too(full, path, body, status):
    if body is not None and "report" in body:
        body = body | {"report": full.ids["report"]}
    answer = await full.client.post(path.format(**full.ids), json=body, headers=full.admin)
    assert answer.status == status, await answer.text()
    conventions(await answer.json())


async def tried(full, headers: dict[str, str]) -> dict[str, tuple[int, str]]:
    """(status, text) of every read of what is one portfolio's, by path."""
    found = {}
    for endpoint in READS:
        if endpoint.scope is Scope.OPEN or endpoint.scope is Scope.ADMIN:
            continue
        answer = await full.get(endpoint, headers)
        found[endpoint.path] = answer.status, await answer.text()
    return found


@pytest.mark.parametrize("who", ["a key for others", "a stranger's wallet"])
async def test_no_read_tells_of_a_portfolio_to_who_may_not_see_it(full, who):
    if who == "a key for others":
        headers = await key_for(full.client, "read", "watch", "simulate", portfolios=("another",))
    else:
        token, _ = await Sessions(full.client.app[DEPS].store).open(STRANGER, "eip155:1", utc_now(), 60)
        headers = {"Authorization": f"Bearer {token}"}
    secret = {full.ids[name] for name in ("report", "statement", "alert")} | {OWNER, f'"{NAME}"'}
    for path, (status, text) in (await tried(full, headers)).items():
        asked = {full.ids[name] for name in re.findall(r"{(\w+)}", path)}
        told = text if status == 200 else text.partition("known:")[2]
        assert not [word for word in secret - asked if word in told], (path, text)
        if re.search(r"{(id|report|statement|watch)}", path):
            assert status == 404, (path, status)
    for method, path, body in (
        ("POST", "/v1/alerts/{alert}/ack", None), ("PUT", "/v1/watches/{watch}", {"enabled": False}),
        ("DELETE", "/v1/watches/{watch}", None), ("POST", "/v1/watches/{watch}/mute", {"until": SOON}),
        ("POST", "/v1/statements", {"portfolio": NAME}), ("DELETE", "/v1/account-sets/{id}", None),
        ("POST", "/v1/margin/simulate", {"simulations": [{"portfolio": NAME}]}),
        ("POST", "/v1/accounts/{id}/advice", None),
    ):  # fmt: skip
        answer = await full.client.request(method, path.format(**full.ids), json=body, headers=headers)
        assert answer.status == 404, (method, path, await answer.text())
