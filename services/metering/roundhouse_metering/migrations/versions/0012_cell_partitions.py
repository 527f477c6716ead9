"""On Postgres cells of each view and resolution lie in a partition of their own."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_DAY_S, _HOUR_S, _QUARTER_S, _MINUTE_S = 86_400, 3_600, 900, 60
_PARTITIONS = {
    (0, "fine"): (_DAY_S, _HOUR_S),
    (1, "total"): (_DAY_S, _HOUR_S, _QUARTER_S, _MINUTE_S),
    (2, "model"): (_DAY_S, _HOUR_S, _QUARTER_S, _MINUTE_S),
    (3, "key"): (_DAY_S, _HOUR_S, _QUARTER_S, _MINUTE_S),
    (4, "replica"): (_DAY_S, _HOUR_S, _QUARTER_S),
}


def upgrade() -> None:
    """Every cell is copied once: some ten seconds for each million."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("ALTER TABLE usage_cells RENAME TO usage_cells_before")
    op.execute("ALTER TABLE usage_cells_before DROP CONSTRAINT usage_cells_pkey")
    op.execute("DROP INDEX ix_usage_cells_series")
    op.execute("CREATE TABLE usage_cells (LIKE usage_cells_before) PARTITION BY RANGE (view, resolution_s)")
    for (view, name), resolutions in _PARTITIONS.items():
        for resolution_s in resolutions:
            partition = f"usage_cells_{name}_{resolution_s}"
            bounds = f"FROM ({view}, {resolution_s}) TO ({view}, {resolution_s + 1})"
            op.execute(f"CREATE TABLE {partition} PARTITION OF usage_cells FOR VALUES {bounds}")
            op.execute(
                f"INSERT INTO {partition} SELECT * FROM usage_cells_before "
                f"WHERE view = {view} AND resolution_s = {resolution_s} ORDER BY at, series_id"
            )
    op.execute("DROP TABLE usage_cells_before")
    op.execute("ALTER TABLE usage_cells ADD PRIMARY KEY (view, resolution_s, at, series_id)")
    op.create_index("ix_usage_cells_series", "usage_cells", ["series_id", "resolution_s", "at"])
    op.execute("ANALYZE usage_cells")
