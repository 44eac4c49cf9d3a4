"""Contracts as signers (ERC-1271) on a local chain: of a session, of a statement."""

from types import SimpleNamespace

import pytest

from aggregator.access.siwe import signed_by_contract
from aggregator.clock import utc_now
from aggregator.devnet_settings import DEVNET_KEY
from aggregator.statements.check import signature_differences
from aggregator.statements.model import Statement
from aggregator.statements.settings import StatementSettings
from aggregator.statements.typed import digest_of, sign, typed
from api.http.deps import DEPS
from api.http.models import over
from chains.caip import parse_address
from chains.devnet import anvil
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.types import Finality
from tests.bench._contracts import CHAIN, node
from tests.kit.api import PRIVATE, api
from tests.kit.reports import a_report
from tests.kit.statements import a_message

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


async def test_the_contract_stands_by_a_statement(client, tmp_path):
    """The key signs, the contract on its own chain says whether that is its word."""
    wired = SimpleNamespace(clients={CHAIN: client})
    key = StatementSettings(signing_key=DEVNET_KEY).key()
    for address, good in ((YES, True), (NO, False), (EMPTY, False)):
        data = typed(a_message(f"{CHAIN}:{address}"), CHAIN)
        statement = Statement(
            **over([a_report()], utc_now()), typed_data=data, digest="0x" + digest_of(data).hex(),
            signature=sign(data, key),
        )  # fmt: skip
        found = [difference.what for difference in await signature_differences(statement, wired, None)]
        assert (found == []) is good, address
        assert [d.what for d in await signature_differences(statement, None, None)] == ["signature"]
