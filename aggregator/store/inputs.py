"""Reading what reports were made from."""

import sqlalchemy as sa

from aggregator.store.input_tables import INPUTS, REPORT_INPUTS
from aggregator.store.repository import Store


class InputLog:
    """Inputs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, report_id: str) -> tuple[bytes, bytes] | None:
        """World and setting of a report, None where they were not kept."""
        world, setting = INPUTS.alias("world"), INPUTS.alias("setting")
        query = (
            sa.select(world.c.body, setting.c.body)
            .join(REPORT_INPUTS, REPORT_INPUTS.c.world == world.c.digest)
            .join(setting, setting.c.digest == world.c.setting)
            .where(REPORT_INPUTS.c.report_id == report_id)
        )
        async with self._store.transaction(writing=False) as connection:
            found = (await connection.execute(query)).first()
        return None if found is None else (found[0], found[1])
