"""`registry.model_reads`: which version was made from which column, as a view in the lake."""

from ml_platform.lake.transaction import Transaction
from ml_platform.naming import literal
from ml_platform.spec.canonical import content_key

QUERY = """
    WITH trained AS (
        SELECT split_part(asset, '/', 1) AS pipeline, (result ->> '$.candidate')::BIGINT AS version, result
        FROM lineage.records WHERE ends_with(asset, '/candidate') AND (result ->> '$.candidate') IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY pipeline, version ORDER BY id DESC) = 1
    ), reads AS (
        SELECT pipeline, version, unnest(json_transform(json_extract(result, '$.reads'),
            '[{"table": "VARCHAR", "column": "VARCHAR", "use": "VARCHAR", "features": ["VARCHAR"]}]')) AS read
        FROM trained
    )
    SELECT pipeline, version, read."table" AS "table", read."column" AS "column", read."use" AS "use",
        read.features AS features
    FROM reads"""


def make(tx: Transaction) -> None:
    """Create the view where it is missing or outdated. Its comment is the content key of its query."""
    wanted = content_key(QUERY)
    present = tx.execute(
        "SELECT comment FROM duckdb_views() "
        "WHERE database_name = 'lake' AND schema_name = 'registry' AND view_name = 'model_reads'"
    ).fetchone()
    if present != (wanted,):
        tx.execute(f"CREATE OR REPLACE VIEW registry.model_reads AS {QUERY}")
        tx.execute(f"COMMENT ON VIEW registry.model_reads IS {literal(wanted)}")
