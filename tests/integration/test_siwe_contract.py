"""Signing in as a contract (ERC-1271) on a local chain."""

from types import SimpleNamespace

import pytest

from aggregator.access.siwe import signed_by_contract
from aggregator.clock import utc_now
from api.http.deps import DEPS
from chains.caip import parse_address
from chains.devnet import anvil
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.types import Finality
from tests.bench._contracts import CHAIN, node
from tests.kit.api import PRIVATE, api

pytestmark = pytest.mark.devnet
YES = parse_address("0x" + "12" * 20)
NO = parse_address("0x" + "34" * 20)
EMPTY = parse_address("0x" + "56" * 20)
ANSWERS = {
    YES: "7f1626ba7e" + "00" * 28 + "60005260206000f3",  # returns the magic value, left-aligned
    NO: "7fffffffff" + "00" * 28 + "60005260206000f3",
}


@pytest.fixture
async def client():
    with node() as url:
        for address, code in ANSWERS.items():
            anvil.rpc(url, "anvil_setCode", address, "0x" + code)
        async with HttpTransport(CHAIN, [url]) as transport:
            yield EvmClient(CHAIN, transport)


async def test_the_contract_decides(client):
    at = await client.head(Finality.LATEST)
    assert await signed_by_contract(client, "text", b"\1" * 65, YES, at)
    assert not await signed_by_contract(client, "text", b"\1" * 65, NO, at)
    assert not await signed_by_contract(client, "text", b"\1" * 65, EMPTY, at)


async def test_a_contract_signs_in_on_its_own_chain_only(client, tmp_path):
    wired = SimpleNamespace(clients={CHAIN: client})
    async with api(tmp_path, PRIVATE, wired=wired) as caller:
        assert caller.app[DEPS].wired is wired

        async def verify(address: str, chain: str) -> int:
            nonce = await (await caller.post("/v1/auth/siwe/nonce")).json()
            text = (
                f"{nonce['domain']} wants you to sign in with your Ethereum account:\n{address}\n\n\n"
                f"URI: {nonce['uri']}\nVersion: 1\nChain ID: {chain}\nNonce: {nonce['nonce']}\n"
                f"Issued At: {utc_now():%Y-%m-%dT%H:%M:%SZ}"
            )
            body = {"message": text, "signature": "0x" + "01" * 65}
            return (await caller.post("/v1/auth/siwe/verify", json=body)).status

        assert await verify(YES, "10") == 201
        assert await verify(NO, "10") == 401
        assert await verify(EMPTY, "10") == 401
        assert await verify(YES, "1") == 401
