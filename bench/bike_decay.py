"""How a model of 2011 does in 2012, month by month: never trained again, and trained again every month.

    python -m bench.bike_decay [--data FOLDER]

Both run through the platform on the same landed hours, the second as it is declared, gates and all.
FOLDER keeps what was made, so that a second time is quick.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from ml_platform import Drift, Retrain
from ml_platform.pipelines.bike_rentals import bike_rentals

bikes_of_2011 = replace(
    bike_rentals,
    name="bikes_of_2011",
    gates=(),
    drift=Drift(report_rows=0),
    retrain=Retrain(every=None, min_examples=8_000),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (parser.parse_args().data or Path(scratch)).resolve()
        (folder / "home").mkdir(parents=True, exist_ok=True)
        os.environ |= {
            "ML_PLATFORM_DATA": str(folder / "data"),
            "ML_PLATFORM_PIPELINES": '["ml_platform.pipelines.bike_rentals", "bench.bike_decay"]',
            "DAGSTER_HOME": str(folder / "home"),
        }
        _measure()


def _measure() -> None:
    from ml_platform.cli.launching import run_pipeline
    from ml_platform.demo.example import find
    from ml_platform.discovery import pipelines
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.settings import Settings

    settings = Settings()
    lake = workspace_for(settings).lake
    find(bike_rentals.name).land(lake.settings, None)
    for pipeline in pipelines(settings).values():
        run_pipeline(pipeline, settings, None, None)
    for metric in ("r2", "mae"):
        shown = (
            f"SELECT _partition, value FROM {{}}.performance WHERE metric = '{metric}' AND sliced_by = '' "
            "AND _partition >= '2012'"
        )
        rows = lake.rows(
            f"SELECT _partition, o.value, m.value FROM ({shown.format('bikes_of_2011')}) o "
            f"JOIN ({shown.format('bike_rentals')}) m USING (_partition) ORDER BY ALL"
        )
        print(f"{metric}: month, model of 2011, trained every month")
        for month, old, new in rows:
            print(f"  {month}  {old:8.3f}  {new:8.3f}")
        mean = [sum(column) / len(column) for column in list(zip(*rows, strict=True))[1:]]
        print(f"  mean     {mean[0]:8.3f}  {mean[1]:8.3f}")


if __name__ == "__main__":
    main()
