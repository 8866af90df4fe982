"""A declaration to begin with loads as it is."""

from typing import Any

from ml_platform.authoring.starter import starter


def test_it_declares_a_pipeline_of_the_name() -> None:
    declared: dict[str, Any] = {"__name__": "shop.churn"}
    exec(starter("churn"), declared)
    assert declared["churn"].name == "churn" and declared["churn"].task == "binary"
    assert [table.source.pattern for table in declared["churn"].tables] == ["churn/*.csv"]
