"""Signed statements and scan proofs over the API."""

import json

import pytest
from pydantic import SecretStr
from sqlalchemy import insert
from typer.testing import CliRunner

from aggregator.access.keys import Keys
from aggregator.devnet_settings import DEVNET_KEY
from aggregator.statements.merkle import Proof, leaf_of, proven_root
from aggregator.statements.model import Statement
from aggregator.statements.settings import UNSIGNED, StatementSettings
from aggregator.statements.typed import address_of, digest_of, parts, signed_by_key, well_formed
from aggregator.store.roots import root_inserts
from aggregator.store.rows import ReportRow
from api.cli.main import app
from api.http.deps import DEPS
from tests.kit.api import NAME, PRIVATE, api, key_for
from tests.kit.reports import WHEN, a_report

SIGNING = StatementSettings(signing_key=SecretStr(DEVNET_KEY))


@pytest.fixture
async def client(tmp_path):
    async with api(tmp_path, statements=SIGNING) as opened:
        yield opened


async def test_a_statement_says_what_the_report_says_and_is_signed(client):
    report = await (await client.get(f"/v1/accounts/{NAME}/margin")).json()
    answer = await client.post("/v1/statements", json={"portfolio": NAME, "lifetime_s": 600})
    assert answer.status == 201, await answer.text()
    made = Statement.model_validate_json(await answer.text())
    said = made.typed_data.message
    figures = {figure.name: figure.value for figure in said.figures}
    assert figures["mm_excess_usd"] == report["mm_excess_usd"]
    assert figures["addons.oracle_uncertainty_usd"] == report["addons"]["oracle_uncertainty_usd"]
    assert said.report_id == report["id"]
    assert said.expires_at - said.issued_at == 600
    assert {price.price_key for price in said.prices} >= {"ETH", "USDC"}
    assert {block.chain for block in said.blocks} == set(report["as_of"]["blocks"])
    assert well_formed(made.typed_data)
    assert made.digest == "0x" + digest_of(made.typed_data).hex()
    signature = bytes.fromhex(made.signature[2:])
    _, address = parts(said.signer)
    assert address == address_of(SIGNING.key())
    assert signed_by_key(made.typed_data, signature, address)
    again = await client.get(f"/v1/statements/{said.id}")
    assert await again.json() == json.loads(made.model_dump_json())


async def test_a_report_is_proven_to_be_in_its_scan_and_the_statement_names_the_root(client):
    body = await (await client.get(f"/v1/accounts/{NAME}/margin")).read()
    (row,) = (await (await client.get("/v1/statements/roots")).json())["roots"]
    proof = await (await client.get(f"/v1/reports/{json.loads(body)['id']}/proof")).json()
    assert proof["root"] == row["root"]
    path = tuple(bytes.fromhex(part[2:]) for part in proof["path"])
    found = proven_root(leaf_of(body), Proof(proof["index"], proof["size"], path))
    assert "0x" + found.hex() == row["root"]
    made = await (await client.post("/v1/statements", json={"portfolio": NAME})).json()
    assert made["typed_data"]["message"]["scan_root"] == row["root"]
    assert made["typed_data"]["message"]["report_leaf"] == proof["leaf"]


async def test_without_a_key_nothing_is_signed(tmp_path):
    async with api(tmp_path, statements=UNSIGNED) as client:
        answer = await client.post("/v1/statements", json={"portfolio": NAME})
        assert (answer.status, (await answer.json())["code"]) == (503, "no_signing_key")


@pytest.mark.parametrize("text", ["0x12", "secret-words", "0x" + "00" * 32, "0x" + "ff" * 32])
async def test_a_bad_key_is_never_told(tmp_path, text, caplog):
    async with api(tmp_path, statements=StatementSettings(signing_key=SecretStr(text))) as client:
        answer = await client.post("/v1/statements", json={"portfolio": NAME})
        assert answer.status == 503
        assert "statements.signing_key" in (said := await answer.text())
        assert text not in said + caplog.text
    assert text not in repr(StatementSettings(signing_key=SecretStr(text)))


async def test_a_key_of_a_file_is_used_and_a_missing_file_is_said(tmp_path):
    path = tmp_path / "key"
    path.write_text(DEVNET_KEY + "\n")
    assert address_of(StatementSettings(signing_key_file=path).key()) == address_of(SIGNING.key())
    async with api(tmp_path, statements=StatementSettings(signing_key_file=tmp_path / "none")) as client:
        answer = await client.post("/v1/statements", json={"portfolio": NAME})
        assert (answer.status, "signing_key_file" in await answer.text()) == (503, True)


async def test_what_a_caller_may_not_see_is_not_there(tmp_path):
    async with api(tmp_path, PRIVATE, statements=SIGNING) as client:
        mine = await key_for(client, "watch", "read")
        other = await key_for(client, "watch", "read", portfolios=("another",))
        report = await (await client.get(f"/v1/accounts/{NAME}/margin", headers=mine)).json()
        made = await (await client.post("/v1/statements", json={"portfolio": NAME}, headers=mine)).json()
        name = made["typed_data"]["message"]["id"]
        assert (await client.get(f"/v1/statements/{name}", headers=mine)).status == 200
        (line,) = await Keys(client.app[DEPS].store).audit(limit=1)
        assert (line.action, line.actor[:4], name in line.subject) == ("statement.signed", "key_", True)
        assert (await client.get(f"/v1/statements/{name}", headers=other)).status == 404
        assert (await client.get(f"/v1/reports/{report['id']}/proof", headers=other)).status == 404
        answer = await client.post("/v1/statements", json={"portfolio": NAME}, headers=other)
        assert answer.status == 404


async def test_a_contract_of_the_settings_is_the_signer(tmp_path):
    contract = "eip155:42161:0x" + "12" * 20
    settings = StatementSettings(signing_key=SecretStr(DEVNET_KEY), signer=contract)
    async with api(tmp_path, statements=settings) as client:
        made = await (await client.post("/v1/statements", json={"portfolio": NAME})).json()
        assert made["typed_data"]["message"]["signer"] == contract
        assert made["typed_data"]["domain"]["chainId"] == 42161


async def test_a_report_of_another_portfolio_or_none_is_refused(client):
    for wrong in ("rep_none", ""):
        answer = await client.post("/v1/statements", json={"portfolio": NAME, "report": wrong})
        assert answer.status == 404


async def test_the_proof_is_checked_by_the_command_and_a_changed_report_is_not(client, tmp_path):
    body = await (await client.get(f"/v1/accounts/{NAME}/margin")).read()
    proof = await (await client.get(f"/v1/reports/{json.loads(body)['id']}/proof")).read()
    report, proven = tmp_path / "report.json", tmp_path / "proof.json"
    report.write_bytes(body)
    proven.write_bytes(proof)
    root = json.loads(proof)["root"]

    def checked(*more: str) -> int:
        result = CliRunner().invoke(app, ["verify-proof", str(proven), str(report), *more])
        return result.exit_code

    assert checked() == 0
    assert checked("--root", root, "--json") == 0
    assert checked("--root", "0x" + "11" * 32) == 1
    report.write_bytes(json.dumps(json.loads(body), indent=2).encode())
    assert checked() == 0
    report.write_bytes(body.replace(b'"WATCH"', b'"SAFE"') if b'"WATCH"' in body else body.replace(b"1", b"2", 1))
    assert checked() == 1
    report.write_bytes(body)
    proven.write_bytes(proof.replace(root[-8:].encode(), b"00000000"))
    assert checked() == 1


async def test_a_report_of_an_older_version_is_proven_as_it_was_stored(client):
    old = json.loads(a_report(NAME).model_dump_json())
    del old["reverse_stress"]
    body = json.dumps(old)
    row = ReportRow(
        id=old["id"],
        portfolio=NAME,
        created_at=WHEN,
        status=old["status"],
        complete=True,
        inputs_hash="",
        body=body,
    )
    async with client.app[DEPS].store.transaction(writing=True) as connection:
        values = {name: getattr(row, name) for name in ReportRow.model_fields if name != "seq"}
        await connection.execute(insert(ReportRow).values(values))
        for root in root_inserts([row]):
            await connection.execute(root)
    assert await (await client.get(f"/v1/reports/{old['id']}")).text() == body
    proof = await (await client.get(f"/v1/reports/{old['id']}/proof")).json()
    found = proven_root(leaf_of(body.encode()), Proof(proof["index"], proof["size"], ()))
    assert "0x" + found.hex() == proof["root"]
