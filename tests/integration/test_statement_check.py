"""Statements checked against the chains they speak of, after those have moved on."""

import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.statements.check import check
from aggregator.statements.log import RootLog, StatementLog
from aggregator.statements.make import Basis, statement_of
from aggregator.statements.model import Statement
from aggregator.statements.recompute import NotReadable, chains_only
from aggregator.statements.typed import digest_of, sign, signer_of, typed
from aggregator.wiring import open_service, wire
from chains.caip import account_chain
from chains.errors import EndpointError
from tests.integration.test_command_line import crossmargin

pytestmark = pytest.mark.devnet
DEAD = SecretStr("http://127.0.0.1:1")
NAMES = ("hedged-pair", "stale-feed", "far-from-funds", "thin-borrower")


@pytest.fixture(scope="module")
async def settings(devnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("statements") / "s.db"
    return devnet_settings(devnet.state_dir, database=f"sqlite+aiosqlite:///{path}")


@pytest.fixture(scope="module")
async def made(devnet, settings) -> dict[str, Statement]:
    """Statements of some of the cast, made after the third scan."""
    key = settings.statements.key()
    async with wire(settings) as wired, open_service(wired) as (service, store, *_):
        for _ in range(2):
            reports = (await service.scan()).reports
        found = {}
        for report in reports:
            if report.portfolio.name in NAMES:
                body = report.model_dump_json().encode()
                proven = await RootLog(store).of(body, report.as_of.time)
                prices = await StatementLog(store).prices(report.as_of.time)
                basis = Basis(report, prices, proven.leaf, proven.root.root)
                signer = signer_of(key, None, account_chain(report.portfolio.accounts[0]))
                found[report.portfolio.name] = statement_of(basis, key, signer, utc_now(), timedelta(days=1))
    for chain in devnet.chains.values():
        chain.ctx.deployer.rpc("evm_mine")
    return found


def resigned(statement: Statement, settings, **changes) -> Statement:
    """What a dishonest issuer would sign."""
    message = statement.typed_data.message.model_copy(update=changes)
    data = typed(message, account_chain(message.signer))
    key = settings.statements.key()
    update = {"typed_data": data, "digest": "0x" + digest_of(data).hex(), "signature": sign(data, key)}
    return statement.model_copy(update=update)


@pytest.fixture(scope="module")
async def wired(settings):
    async with wire(chains_only(settings)) as found:
        yield found


@pytest.mark.parametrize("name", NAMES)
async def test_what_the_service_signed_is_what_the_chains_say(made, wired, name):
    found = await check(made[name], wired, utc_now())
    assert [str(difference) for difference in found.differences] == []
    assert found.compared >= 30
    assert found.notes == ()


async def test_a_figure_that_is_not_true_is_named_with_both_numbers(made, wired, settings):
    honest = made["hedged-pair"]
    said = honest.typed_data.message
    by_name = {figure.name: figure for figure in said.figures}
    figure = by_name["mm_excess_usd"]
    better = figure.model_copy(update={"value": f"{float(figure.value) + 1:.6f}"})
    figures = tuple(better if one is figure else one for one in said.figures)
    account = said.venue_accounts[0].model_copy(update={"equity_usd": "1.5"})
    price = next(one for one in said.prices if one.price_key == "ETH")
    dearer = price.model_copy(update={"high_usd": f"{float(price.high_usd) * 1.001:.6f}"})
    changes = {
        "figures": figures,
        "venue_accounts": (account, *said.venue_accounts[1:]),
        "prices": tuple(dearer if one is price else one for one in said.prices),
        "status": "SAFE" if said.status != "SAFE" else "WATCH",
    }
    seen = set()
    for name, value in changes.items():
        found = await check(resigned(honest, settings, **{name: value}), wired, utc_now())
        seen |= {difference.what.split(" ")[0] for difference in found.differences}
        assert not found.ok, name
        assert not any(difference.what == "signature" for difference in found.differences)
    assert {"figures", "venue", "price", "status"} <= seen
    found = await check(resigned(honest, settings, figures=figures), wired, utc_now())
    (only,) = found.differences
    assert (only.what, only.stated, only.found) == ("figures mm_excess_usd", better.value, figure.value)


async def test_a_block_that_is_not_of_the_chain_is_named(made, wired, settings):
    honest = made["hedged-pair"]
    first, *rest = honest.typed_data.message.blocks
    for change in ({"hash": "0x" + "ab" * 32}, {"number": 10**9}, {"timestamp": 1}, {"number": first.number - 1}):
        blocks = (first.model_copy(update=change), *rest)
        found = await check(resigned(honest, settings, blocks=blocks), wired, utc_now())
        assert any(d.what.startswith("block ") for d in found.differences), change


async def test_an_ended_or_unsigned_statement_is_refused_without_any_chain(made):
    honest = made["hedged-pair"]
    assert (await check(honest, None, utc_now())).ok
    late = await check(honest, None, utc_now() + timedelta(days=2))
    assert [d.what for d in late.differences] == ["expires_at"]
    other = await check(honest, None, utc_now(), signer="0x" + "11" * 20)
    assert [d.what for d in other.differences] == ["signer"]
    later = honest.as_of.model_copy(update={"time": utc_now() + timedelta(hours=1)})
    worded = honest.model_copy(update={"as_of": later})
    assert [d.what for d in (await check(worded, None, utc_now())).differences] == ["as_of"]
    moved = honest.model_copy(update={"signature": honest.signature[:-4] + "001b"})
    assert "signature" in [d.what for d in (await check(moved, None, utc_now())).differences]


async def test_a_chain_that_cannot_be_read_there_is_no_verdict(made, settings):
    dead = {chain: item.model_copy(update={"rpc_urls": (DEAD,)}) for chain, item in settings.chains.items()}
    async with wire(chains_only(settings.model_copy(update={"chains": dead}))) as wired:
        with pytest.raises(EndpointError):
            await check(made["hedged-pair"], wired, utc_now())
    fewer = dict(list(settings.chains.items())[1:])
    async with wire(chains_only(settings.model_copy(update={"chains": fewer}))) as wired:
        with pytest.raises(NotReadable, match=r"chains\.eip155"):
            await check(made["hedged-pair"], wired, utc_now())


def test_the_command_says_so_by_its_exit_code(made, devnet, tmp_path):
    state, file = str(devnet.state_dir), tmp_path / "statement.json"
    file.write_text(made["hedged-pair"].model_dump_json())
    done = crossmargin("verify-statement", str(file), "--devnet", state, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["ok"]
    assert "everybody has" in said["notes"][0]
    content = json.loads(file.read_text())
    content["typed_data"]["message"]["figures"][3]["value"] = "1.0"
    file.write_text(json.dumps(content))
    done = crossmargin("verify-statement", str(file), "--devnet", state)
    assert done.returncode == 1, done.stderr
    for word in ("signature", "venue_maintenance_usd", "digest", "differences"):
        assert word in done.stdout
    file.write_text("{}")
    done = crossmargin("verify-statement", str(file), "--offline")
    assert (done.returncode, "as_of: Field required" in done.stderr) == (2, True)
