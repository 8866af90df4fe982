"""Replaced, late and repeated files: which version of a row is known since when (S2, S5, S6, S12, S35)."""

from pathlib import Path

import polars as pl
import pytest

from ml_platform.spec.sources import Files
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers, readings, utc

FEB, MAR, APR = utc("2013-02-01"), utc("2013-03-01"), utc("2013-04-01")


def reading(day: int, value: float | str, sensor: str = "a", month: int = 1) -> str:
    return f"{sensor},2013-{month:02d}-{day:02d}T00:00:00Z,{value}\n"


HEAD = "sensor,at,value\n"


def stamps(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.select("value", "path", "_known_at", "_superseded_at").rows()


def test_s2_rows_are_known_when_they_say_whatever_the_arrival(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.land(table, "readings/jan.csv", HEAD + reading(1, 1.0), APR)
    sandbox.run(table)
    assert stamps(sandbox.validated(table)) == [(1.0, "readings/jan.csv", utc("2013-01-01"), None)]


def test_s6_a_correction_is_a_new_version_known_from_its_arrival(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.land(table, "jan.csv", HEAD + reading(1, 1) + reading(2, 2) + reading(3, 3), FEB)
    sandbox.run(table)
    before = sandbox.validated(table)
    sandbox.land(table, "jan.csv", HEAD + reading(1, 1) + reading(2, 20) + reading(4, 4), MAR)
    [report] = sandbox.run(table)
    found = sandbox.validated(table)
    assert [(v, known.day, known.month, gone) for v, _, known, gone in stamps(found)] == [
        (1.0, 1, 1, None),  # unchanged: the old row, its file and its arrival
        (2.0, 2, 1, MAR),
        (20.0, 1, 3, None),  # corrected: known from its arrival
        (3.0, 3, 1, MAR),  # dropped from the file
        (4.0, 4, 1, None),  # late but new: known as it says
    ]
    assert found.filter(pl.col("value") == 1)["_file"].to_list() == before["_file"].to_list()[:1]
    assert (report.result.rows, report.result.versions, report.result.duplicates) == (3, 5, 0)
    sandbox.check_nothing_lost(table, [report])


def test_s6_a_correction_that_says_it_is_known_later_is_known_then(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.land(table, "jan.csv", HEAD + reading(1, 1, month=5), FEB)
    sandbox.land(table, "jan.csv", HEAD + reading(1, 1, month=5), FEB)
    sandbox.run(table)
    sandbox.land(table, "jan.csv", HEAD + reading(1, 2, month=5), MAR)
    sandbox.run(table)
    assert [known for _, _, known, _ in stamps(sandbox.validated(table))] == [utc("2013-05-01")] * 2


def test_s6_a_correction_that_is_never_known_still_withdraws_what_it_corrects(sandbox: IngestionSandbox) -> None:
    import dataframely as dy

    class Flight(dy.Schema):
        id = dy.Int64(primary_key=True)
        at = dy.Datetime(time_zone="UTC")
        landed = dy.Datetime(time_zone="UTC", nullable=True)

    table = readings(contract=Flight, known_at="landed")
    sandbox.land(table, "a.csv", "id,at,landed\n1,2013-01-01T00:00:00Z,2013-01-01T02:00:00Z\n", FEB)
    sandbox.run(table)
    sandbox.land(table, "a.csv", "id,at,landed\n1,2013-01-01T00:00:00Z,NA\n", MAR)
    sandbox.run(table)
    found = sandbox.validated(table).sort("_arrival")
    assert found["_known_at"].to_list() == [utc("2013-01-01T02:00"), None]
    assert found["_superseded_at"].to_list() == [MAR, None]


def test_s5_with_refresh_knowledge_waits_for_the_next_refresh(sandbox: IngestionSandbox) -> None:
    table = readings(refresh="1d")
    text = HEAD + "a,2013-01-01T00:00:00Z,1\na,2013-01-02T00:00:01Z,2\n"
    sandbox.land(table, "jan.csv", text, FEB)
    sandbox.run(table)
    sandbox.land(table, "jan.csv", text.replace(",2\n", ",3\n"), utc("2013-03-01T12:00"))
    sandbox.run(table)
    found = sandbox.validated(table)
    assert found["_usable_at"].to_list() == [utc("2013-01-01"), utc("2013-01-03"), utc("2013-03-02")]
    assert found["_superseded_at"].to_list() == [None, utc("2013-03-02"), None]


def test_a_replacement_that_did_not_arrive_later_replaces_as_if_the_old_never_stood(sandbox: IngestionSandbox) -> None:
    table = readings()
    for value in (1, 2):
        sandbox.land(table, "jan.csv", HEAD + reading(1, value), FEB)
        sandbox.run(table)
    assert stamps(sandbox.validated(table)) == [(2.0, "readings/jan.csv", utc("2013-01-01"), None)]


def test_a_row_corrected_to_another_month_moves_there(sandbox: IngestionSandbox) -> None:
    table = readings(contract=customers_seen(), source=Files("seen/*.csv"))
    sandbox.land(table, "a.csv", "id,at\n1,2013-01-05T00:00:00Z\n2,2013-01-06T00:00:00Z\n", FEB)
    sandbox.run(table)
    sandbox.land(table, "a.csv", "id,at\n1,2013-02-05T00:00:00Z\n2,2013-01-06T00:00:00Z\n", MAR)
    sandbox.check_nothing_lost(table, sandbox.run(table))
    found = sandbox.validated(table).select("id", "_partition", "_known_at", "_superseded_at")
    assert found.rows() == [
        (1, "2013-01", utc("2013-01-05"), MAR),
        (1, "2013-02", MAR, None),
        (2, "2013-01", utc("2013-01-06"), None),
    ]


def customers_seen() -> type:
    import dataframely as dy

    class Seen(dy.Schema):
        id = dy.Int64(primary_key=True)
        at = dy.Datetime(time_zone="UTC")

    return Seen


def test_s35_the_same_content_under_two_names_is_counted_once(sandbox: IngestionSandbox) -> None:
    table = readings()
    for name in ("a", "b"):
        sandbox.put(f"readings/{name}.csv", HEAD + reading(1, 1) + reading(2, 2))
    [report] = sandbox.run(table)
    assert (report.result.rows, report.result.duplicates, report.result.quarantined) == (2, 2, 0)
    assert set(sandbox.validated(table)["path"]) == {"readings/a.csv"}
    sandbox.check_nothing_lost(table, [report])


def test_s35_other_content_across_standing_files_is_refused_naming_both(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.land(table, "b.csv", HEAD + reading(1, 1), FEB)
    sandbox.land(table, "a.csv", HEAD + reading(2, 2) + reading(1, 9), MAR)
    [report] = sandbox.run(table)
    assert (report.result.rows, report.result.quarantined, report.result.by_rule) == (2, 1, {"conflict": 1})
    [reason] = sandbox.quarantine(table)["reason"].to_list()
    assert reason == (
        "the key (sensor, at) of readings/a.csv row 1 has other content in readings/b.csv row 0, which stands"
    )
    [row] = sandbox.quarantine(table)["row"].to_list()
    assert row == '{"sensor":"a","at":"2013-01-01T00:00:00Z","value":"9"}'
    sandbox.check_nothing_lost(table, [report])


def test_s35_latest_lets_the_later_arrival_correct(sandbox: IngestionSandbox) -> None:
    table = readings(on_conflict="latest")
    sandbox.land(table, "b.csv", HEAD + reading(1, 1), FEB)
    sandbox.land(table, "a.csv", HEAD + reading(1, 9), MAR)
    [report] = sandbox.run(table)
    assert stamps(sandbox.validated(table)) == [
        (1.0, "readings/b.csv", utc("2013-01-01"), MAR),
        (9.0, "readings/a.csv", MAR, None),
    ]
    assert (report.result.rows, report.result.quarantined, report.result.overruled) == (1, 0, 1)
    sandbox.check_nothing_lost(table, [report])


def test_a_refused_row_stands_once_its_rival_is_withdrawn(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.land(table, "a.csv", HEAD + reading(1, 1), FEB)
    sandbox.land(table, "b.csv", HEAD + reading(1, 9), MAR)
    sandbox.run(table)
    sandbox.land(table, "a.csv", HEAD + reading(5, 5), APR)
    [report] = sandbox.run(table)
    assert report.result.quarantined == 0
    assert stamps(sandbox.validated(table))[:2] == [
        (1.0, "readings/a.csv", utc("2013-01-01"), APR),
        (9.0, "readings/b.csv", APR, None),
    ]


def test_s12_a_table_without_time_keeps_versions_by_arrival_and_unchanged_rows_their_first(
    sandbox: IngestionSandbox,
) -> None:
    table = customers()
    sandbox.land(table, "c.csv", "id,name\n1,Ada\n2,Grace\n", FEB)
    sandbox.run(table)
    sandbox.land(table, "c.csv", "id,name\n1,Ada\n2,Hopper\n3,Joan\n", MAR)
    sandbox.check_nothing_lost(table, sandbox.run(table))
    found = sandbox.validated(table).select("id", "name", "_arrival", "_known_at", "_superseded_at")
    assert found.rows() == [
        (1, "Ada", FEB, FEB, None),
        (2, "Grace", FEB, FEB, MAR),
        (2, "Hopper", MAR, MAR, None),
        (3, "Joan", MAR, MAR, None),
    ]


def test_a_table_without_key_tells_rows_apart_by_all_columns(sandbox: IngestionSandbox) -> None:
    import dataframely as dy

    class Log(dy.Schema):
        at = dy.Datetime(time_zone="UTC")
        what = dy.String(nullable=True)

    table = readings(contract=Log, source=Files("log/*.csv"))
    line = "2013-01-01T00:00:00Z,"
    sandbox.land(table, "a.csv", f"at,what\n{line}in\n{line}in\n{line}NA\n{line}out\n", FEB)
    [report] = sandbox.run(table)
    assert (report.result.rows, report.result.duplicates) == (3, 1)
    sandbox.land(table, "b.csv", f"at,what\n{line}NA\n{line}up\n", MAR)
    [report] = sandbox.run(table)
    assert (report.result.rows, report.result.duplicates) == (4, 2)
    sandbox.check_nothing_lost(table, [report])


def test_a_late_month_changes_only_its_own_partition(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/jan.csv", HEAD + reading(1, 1))
    sandbox.put("readings/mar.csv", HEAD + reading(1, 3, month=3))
    sandbox.run(table)
    sandbox.put("readings/feb.csv", HEAD + reading(1, 2, month=2))
    unchanged = {r.partition: r.unchanged for r in sandbox.run(table)}
    assert unchanged == {"2013-01": True, "2013-02": False, "2013-03": True}
    assert sandbox.validated(table)["value"].to_list() == [1.0, 2.0, 3.0]


def test_a_month_without_rows_is_made_empty(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/jan.csv", HEAD + reading(1, 1))
    sandbox.run(table)
    report = sandbox.build(table, "2013-07")
    assert (report.result.rows, report.result.files, report.unchanged) == (0, (), False)
    assert sandbox.build(table, "2013-07").unchanged


def test_a_new_version_that_screening_refuses_lets_the_old_one_stand(sandbox: IngestionSandbox) -> None:
    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.with_columns(value=pl.col("value").cast(pl.Float64))

    table = readings(clean=clean)
    sandbox.put("readings/a.csv", HEAD + reading(1, 1))
    sandbox.put("readings/b.csv", HEAD + reading(1, 2, "b"))
    sandbox.run(table)
    sandbox.put("readings/a.csv", HEAD + reading(1, "one"))
    sandbox.put("readings/b.csv", HEAD + reading(1, 3, "b"))
    [report] = sandbox.run(table)
    assert [r.path for r in report.refused] == ["readings/a.csv"]
    assert "clean raised InvalidOperationError" in report.refused[0].error
    current = sandbox.validated(table).filter(pl.col("_superseded_at").is_null())
    assert current.select("sensor", "value").rows() == [("a", 1.0), ("b", 3.0)]
    sandbox.put("readings/a.csv", HEAD + reading(1, 4))
    assert sandbox.run(table)[0].refused == []


def test_rows_whose_file_tells_no_time_are_in_the_first_partition_s_quarantine(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/a.csv", HEAD + "a,soon,1\n")
    sandbox.put("readings/b.csv", HEAD + reading(1, 1, month=6) + "b,,1\n")
    reports = sandbox.run(table)
    assert {r.partition: r.result.quarantined for r in reports} == {"2013-01": 1, "2013-06": 1}
    sandbox.check_nothing_lost(table, reports)


def test_a_declared_arrival_needs_a_zone_and_a_file_a_fitting_name(sandbox: IngestionSandbox, tmp_path: Path) -> None:
    from ml_platform.errors import IngestionError
    from ml_platform.sources.landing import land

    file = tmp_path / "x.txt"
    file.write_text("id,name\n1,Ada\n")
    with pytest.raises(IngestionError, match=r"x\.txt is not one of customers's files"):
        land(sandbox.stores.settings, customers(), [file])
    with pytest.raises(IngestionError, match="has no time zone"):
        land(sandbox.stores.settings, customers(), [file], arrived=FEB.replace(tzinfo=None))
    with pytest.raises(IngestionError, match="There is no file"):
        land(sandbox.stores.settings, customers(), [tmp_path / "y.csv"])
    one = customers(source=Files("customers.csv"))
    assert [one.path for one in land(sandbox.stores.settings, one, [file])] == [sandbox.landing / "customers.csv"]
    sandbox.run(one)
    assert sandbox.validated(one)["name"].to_list() == ["Ada"]
