"""The texts that people copy from the asset pages."""

import re
from dataclasses import replace

from ml_platform.lake.connection import Lake
from ml_platform.orchestration.prose import validated_description
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, readings


def _asked(lake: Lake, description: str) -> int:
    [statement] = re.findall(r"ml-platform sql '([^']+)'", description)
    return len(lake.rows(statement))


def test_the_query_of_a_table_called_like_a_word_of_sql_can_be_pasted(sandbox: IngestionSandbox) -> None:
    sandbox.put("readings/1.csv", "sensor,at,value\na,2013-01-01T00:00:00Z,1\n")
    table = replace(readings(), name="order")
    sandbox.run(table)
    assert _asked(sandbox.lake, validated_description(table)) == 1
