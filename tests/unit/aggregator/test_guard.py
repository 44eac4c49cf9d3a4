"""Which addresses a webhook may reach, and that the check is on the address that is connected to."""

import socket

import pytest

from aggregator.delivery.guard import PrivateAddress, PublicResolver, is_public, public_socket
from aggregator.delivery.settings import WebhookSettings
from aggregator.devnet_settings import make_settings
from aggregator.errors import ConfigError
from chains.data import packaged

PRIVATE = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "239.1.2.3", "240.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1",
    "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a00:1", "2002:7f00:1::",
    "2002:808:808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "::127.0.0.1", "not an address",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"]
SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXM="


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_global_unicast_is_refused(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_open_internet_is_reached(address):
    assert is_public(address)


class Names:
    """A resolver that answers as told."""

    def __init__(self, *addresses):
        self.addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        return [
            {"hostname": host, "host": a, "port": port, "family": family, "proto": 0, "flags": 0}
            for a in self.addresses
        ]

    async def close(self):
        pass


async def test_a_name_with_one_private_address_among_public_ones_is_refused():
    assert len(await PublicResolver(Names("8.8.8.8", "1.1.1.1")).resolve("a.test")) == 2
    with pytest.raises(PrivateAddress):
        await PublicResolver(Names("8.8.8.8", "10.0.0.1")).resolve("a.test")


def test_no_socket_is_made_for_a_private_address():
    with pytest.raises(PrivateAddress):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "ftp://a.test/x"}, "http"),
        ({"url": "a.test"}, "http"),
        ({"url": "http://["}, "http"),
        ({"url": "file:///etc/passwd"}, "http"),
        ({"secret": "hunter2"}, "base64"),
        ({"secret": "whsec_" + "c2hvcnQ="}, "5"),
        ({"secret": None}, "needs one"),
        ({"kind": "apprise"}, "only a webhook"),
        ({"name": "a/b"}, "name"),
        ({"old_secrets": [{"secret": "hunter2"}]}, "old_secrets.0.secret"),
    ],
)
def test_a_receiver_that_cannot_work_is_refused_without_showing_it(changes, says):
    given = {"name": "pager", "url": "https://user-part.test/path-part", "secret": SECRET} | changes
    with pytest.raises(ConfigError) as error:
        settings(given)
    assert says in str(error.value)
    for part in ("user-part", "path-part", "hunter2", "passwd"):
        assert part not in str(error.value)


def test_two_receivers_of_one_name_are_refused():
    given = {"name": "pager", "url": "https://a.test", "secret": SECRET}
    with pytest.raises(ConfigError, match="two receivers"):
        settings(given, given)


def test_the_target_shows_neither_path_nor_user():
    def target(url, **more):
        return WebhookSettings(**({"name": "a", "url": url, "secret": SECRET} | more)).target

    assert target("https://user:token@hooks.test:8443/path?key=1") == "https://hooks.test"
    assert target("tgram://123456:token/chat", kind="apprise", secret=None) == "tgram"


def settings(*webhooks):
    base = {"deployments": str(packaged()), "chains": {"eip155:1": {"rpc_urls": ["https://a.test"]}}}
    return make_settings(base | {"webhooks": list(webhooks)}, "t")
