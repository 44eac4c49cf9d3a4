"""A hundred what-if questions in one call: all answered, in order, each as if asked alone."""

from tests.kit.api import NAME, api


async def test_a_hundred_questions_are_answered_in_order_as_if_asked_alone(tmp_path):
    questions = [{"portfolio": NAME, "changes": {"spot_pct": str(step / 4)}} for step in range(-80, 20)]
    async with api(tmp_path) as client:
        answer = await client.post("/v1/margin/simulate", json={"simulations": questions})
        assert answer.status == 200, await answer.text()
        results = (await answer.json())["results"]
        assert len(results) == 100
        for place in (0, 37, 99):
            asked = {"simulations": [questions[place]]}
            (alone,) = (await (await client.post("/v1/margin/simulate", json=asked)).json())["results"]
            for side in ("before", "after"):
                for name in ("status", "equity_usd", "mm_requirement_usd", "unified_buffer_usd"):
                    assert alone[side][name] == results[place][side][name], (place, side, name)
        assert len({result["after"]["net_value_usd"] for result in results}) == 100
        refused = await client.post("/v1/margin/simulate", json={"simulations": [*questions, questions[0]]})
        assert (refused.status, (await refused.json())["errors"][0]["loc"]) == (422, "body.simulations")
