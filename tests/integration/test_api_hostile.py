"""Hostile and careless callers: odd headers, paths and bodies, slow and oversized requests, other origins."""

import asyncio
import gzip
import json
import random
import resource
import time
import zlib

import aiohttp
import pytest
from aiohttp import web

from aggregator.access.settings import OPEN_TO_ALL, AccessSettings
from api.app import create_app
from api.http.deps import DEPS
from tests.kit.api import NAME, api
from tests.kit.reports import a_report

SMALL = AccessSettings(
    public=True, most_body_bytes=2048, body_timeout_s=0.4, origins=("https://wallet.example",),
    public_scopes=("read", "simulate", "watch"), requests_per_minute=100_000, simulations_per_minute=100_000,
)  # fmt: skip
SET = "/v1/account-sets"


@pytest.fixture
async def client(tmp_path):
    async with api(tmp_path, SMALL) as opened:
        yield opened


async def spoken(client, text: bytes, wait_s: float = 3) -> bytes:
    """What the server answers to raw bytes until it closes the connection, or falls silent."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(text)
    found = b""
    try:
        async with asyncio.timeout(wait_s):
            while part := await reader.read(65_536):
                found += part
                if b"connection: close" not in found.lower() and b"\r\n\r\n" in found and len(part) < 65_536:
                    break
    except TimeoutError:
        pass
    finally:
        writer.close()
    return found


async def test_random_bytes_never_make_an_internal_error(client):
    """300 mutated requests: paths, headers and bodies with bytes that nobody sends."""
    random_, answered = random.Random(7), 0
    alphabet = bytes(range(256))
    base = f"GET /v1/accounts/{NAME}/venues?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    bodied = (
        b"POST /v1/margin/simulate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Content-Length: 20\r\nConnection: close\r\n\r\n{"simulations":[{}]}'
    )
    for number in range(300):
        text = bytearray(base if number % 2 else bodied)
        for _ in range(random_.randint(1, 6)):
            text[random_.randrange(len(text))] = random_.choice(alphabet)
        found = await spoken(client, bytes(text), 0.6)
        assert b" 500 " not in found[:40], (bytes(text), found)
        answered += found.startswith(b"HTTP/1.")
    assert answered > 250
    assert (await client.get("/livez")).status == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/accounts/%00/margin", "/v1/accounts/..%2f..%2fetc/margin", "/v1/accounts/%F0%9F%92%A9/margin",
     "/v1/accounts/'%20or%201=1--/margin", "/v1/accounts/" + "a" * 4000 + "/margin", "/v1/prices/%ff",
     "/v1/accounts?limit=1e3", "/v1/accounts?limit=1&limit=2", "/v1/accounts?x=1", "/v1/accounts?cursor=%ff",
     "/v1/alerts?before=99999999999999999999", "/v1/accounts?cursor=czotMQ", "/v1/reports/%2e%2e"],
)  # fmt: skip
async def test_odd_paths_are_problems_of_the_caller(client, path):
    response = await client.get(aiohttp.client.URL(path, encoded=True))
    assert 400 <= response.status < 500
    body = await response.json(content_type=None)
    assert body["status"] == response.status
    assert body["trace_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"{", 422), (b"null", 422), (b"[]", 422), (b'{"name":1}', 422), (b"\xff\xfe", 422),
        (b"[" * 1500, 422), (b'{"name":"a","accounts":["0x12"]}', 400), (b"{}" + b" " * 4000, 413),
    ],
)  # fmt: skip
async def test_bad_bodies_name_the_field(client, body, status):
    response = await client.post(SET, data=body, headers={"Content-Type": "application/json"})
    assert response.status == status
    found = await response.json(content_type=None)
    assert found["code"]
    if status == 422:
        assert found["errors"][0]["loc"].startswith("body")


async def test_a_body_of_another_kind_is_refused(client):
    assert (await client.post(SET, data=b"a=1", headers={"Content-Type": "text/plain"})).status == 415


async def test_an_oversized_body_without_a_length_is_cut_off(client):
    async def endless():
        for _ in range(1000):
            yield b" " * 1024

    response = await client.post(SET, data=endless(), headers={"Content-Type": "application/json"})
    assert response.status == 413


async def test_a_small_body_that_unpacks_to_a_large_one_is_cut_off(client):
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    assert len(packed) < 250_000
    sent = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (await client.post(SET, data=packed, headers=sent)).status == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "kB: it was not unpacked whole"


async def test_a_body_that_drips_is_given_up(client):
    head = b"POST /v1/account-sets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 99\r\n\r\n{"
    started = time.monotonic()
    found = await spoken(client, head)
    assert b" 408 " in found
    assert time.monotonic() - started < 2.5


async def test_headers_that_drip_end_the_connection(client):
    """200 connections that never finish their headers do not keep others waiting."""
    runner = web.AppRunner(create_app(client.app[DEPS]), keepalive_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/livez") as response:
            assert response.status == 200
        async with asyncio.timeout(15):
            ended = await asyncio.gather(*(reader.read() for reader, _ in slow))
        assert len(ended) == 200
        for _, writer in slow:
            writer.close()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 200),
        ("[::1]:80", 200),
        ("localhost:99", 200),
        ("evil.example", 421),
        ("evil.example:80", 421),
    ],
)
async def test_a_name_that_is_not_its_own_gets_nothing_from_a_public_service(tmp_path, host, status):
    async with api(tmp_path) as open_to_all:
        answer = await open_to_all.get("/v1/accounts", headers={"Host": host})
        assert answer.status == status
        assert (await open_to_all.get("/livez", headers={"Host": host})).status == 200
    named = OPEN_TO_ALL.model_copy(update={"domains": ("evil.example",)})
    async with api(tmp_path, named) as open_to_all:
        assert (await open_to_all.get("/v1/accounts", headers={"Host": host})).status == 200


@pytest.mark.parametrize("header", ["X-API-Key", "Cookie"])
async def test_an_empty_credential_does_not_get_round_the_name(tmp_path, header):
    async with api(tmp_path) as open_to_all:
        sent = {"Host": "evil.example", header: ""}
        assert (await open_to_all.get("/v1/accounts", headers=sent)).status == 421


async def test_only_named_origins_may_read(client):
    named = await client.get("/v1/accounts", headers={"Origin": "https://wallet.example"})
    assert named.headers["Access-Control-Allow-Origin"] == "https://wallet.example"
    other = await client.get("/v1/accounts", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    asks = {"Origin": "https://wallet.example", "Access-Control-Request-Method": "POST"}
    assert (await client.options(SET, headers=asks)).status == 204
    assert (await client.options(SET, headers=asks | {"Origin": "https://evil.example"})).status == 403


async def test_compressed_and_plain_are_told_apart_by_their_etags(client):
    path = f"/v1/accounts/{NAME}/margin"
    raw = aiohttp.ClientSession(auto_decompress=False)
    async with raw, raw.get(client.make_url(path), headers={"Accept-Encoding": "gzip"}) as packed:
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})
        assert json.loads(gzip.decompress(await packed.read())) == await plain.json()
        assert packed.headers["ETag"] != plain.headers["ETag"]
    for tag in (packed.headers["ETag"], plain.headers["ETag"], f'W/{plain.headers["ETag"]}, "x"', "*"):
        assert (await client.get(path, headers={"If-None-Match": tag})).status == 304


async def test_the_request_id_comes_back_if_it_is_one(client):
    assert (await client.get("/livez", headers={"X-Request-Id": "a-1"})).headers["X-Request-Id"] == "a-1"
    assert (await client.get("/livez", headers={"X-Request-Id": "a b<"})).headers["X-Request-Id"] != "a b<"


async def test_a_method_that_is_not_there_is_told_which_are(client):
    response = await client.put(f"/v1/accounts/{NAME}/margin")
    assert response.status == 405
    assert "GET" in response.headers["Allow"]
    assert (await response.json(content_type=None))["code"] == "method_not_allowed"


async def test_pages_follow_each_other_without_gap_or_repeat(client):
    store = client.app[DEPS].store
    await store.append([a_report(NAME) for _ in range(5)], lambda *_: (), [])
    seen, url = [], client.make_url(f"/v1/accounts/{NAME}/margin/history?limit=2")
    while url is not None:
        response = await client.session.get(url)
        seen += [row["seq"] for row in (await response.json())["reports"]]
        link = response.links.get("next")
        url = None if link is None else link["url"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 6
