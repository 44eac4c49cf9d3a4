"""The guard with real connections: no private address is connected to, however it is named."""

import asyncio
import socket

import pytest

from aggregator.clock import utc_now
from aggregator.delivery import guard
from aggregator.delivery.message import Message
from aggregator.delivery.senders import REFUSED, WebhookSender
from tests.kit.receivers import Script, hook, serving

MESSAGE = Message("alt_1", "{}")


class Names:
    """A resolver that gives every name one address."""

    def __init__(self, address):
        self.address, self.asked = address, 0

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        self.asked += 1
        return [
            {
                "hostname": host,
                "host": self.address,
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self):
        pass


async def send(settings, resolver=None):
    async with WebhookSender(settings, resolver) as sender:
        return await sender.send(MESSAGE, utc_now())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1", "0", "127.1"]
)
async def test_this_host_is_not_reached_by_any_spelling(host):
    script = Script([204])
    async with serving(script):
        port = script.url.split(":")[2].split("/")[0]
        outcome = await send(hook(f"http://{host}:{port}/hook/secret-part", allow_private=False))
    assert not outcome.delivered
    assert script.bodies == []
    assert "secret-part" not in outcome.detail


async def test_a_refusal_says_what_to_do():
    for url, names in (("http://127.0.0.1:9/x", None), ("http://a.test:9/x", Names("10.0.0.1"))):
        assert (await send(hook(url, allow_private=False), names)).detail == REFUSED


async def test_allowed_private_addresses_are_reached():
    script = Script([204])
    async with serving(script):
        assert (await send(hook(script.url))).detail == "HTTP 204"


async def test_a_name_is_resolved_for_every_attempt():
    names = Names("10.0.0.1")
    async with WebhookSender(hook("http://rebinding.test:9/x", allow_private=False), names) as sender:
        for _ in range(3):
            assert (await sender.send(MESSAGE, utc_now())).detail == REFUSED
    assert names.asked == 3


async def test_the_address_that_is_connected_to_is_checked_whatever_was_resolved(monkeypatch):
    """As if the name had given a public address when it was checked, and this host when it was used."""
    monkeypatch.setattr(guard, "PublicResolver", lambda inner: inner)
    script = Script([204])
    async with serving(script):
        url = script.url.replace("127.0.0.1", "rebinding.test")
        outcome = await send(hook(url, allow_private=False), Names("127.0.0.1"))
    assert outcome.detail == REFUSED
    assert script.bodies == []


async def test_a_redirect_is_a_failed_attempt_and_is_not_followed():
    script = Script([302])
    async with serving(script):
        outcome = await send(hook(script.url))
    assert (outcome.delivered, outcome.detail) == (False, "HTTP 302")
    assert len(script.bodies) == 1


async def test_an_answer_that_never_ends_ends_at_the_timeout():
    async def drip(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-More: 1\r\n")
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = asyncio.get_running_loop().time()
    outcome = await send(hook(f"http://127.0.0.1:{port}/x", timeout_s=0.3))
    assert outcome.detail == "timeout"
    assert asyncio.get_running_loop().time() - before < 2
    server.close()
