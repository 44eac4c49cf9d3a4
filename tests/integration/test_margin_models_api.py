"""Other models' requirements by HTTP: beside the portfolio's own figures, each from the same net value."""

from decimal import Decimal

from tests.kit.api import NAME, api


async def test_every_model_is_asked_about_the_whole_portfolio(tmp_path):
    async with api(tmp_path) as client:
        response = await client.get(f"/v1/accounts/{NAME}/margin-models")
        answer = await response.json()
        report = await (await client.get(f"/v1/accounts/{NAME}/margin")).json()
    assert [line["model"] for line in answer["models"]] == ["pm2", "pmrm", "standard", "span16", "es"]
    for name in ("net_value_usd", "venue_maintenance_usd", "mm_requirement_usd", "comparison", "as_of"):
        assert answer[name] == report[name]
    for line in answer["models"]:
        assert not line["reason"]
        needed = Decimal(line["maintenance_usd"])
        assert Decimal(line["mm_excess_usd"]) == Decimal(answer["net_value_usd"]) - needed
        assert sum(map(Decimal, line["by_market_usd"].values())) - needed < Decimal("0.00001")
