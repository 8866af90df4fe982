"""Files that leave: renamed ones go on under their new name, withdrawn ones end on record, others are mentioned."""

from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import IngestionError, NotFoundError
from ml_platform.sources.landing import Landed, land
from ml_platform.sources.scan import pending, refused
from ml_platform.sources.withdrawing import Withdrawn, withdraw
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.state import withdrawals
from ml_platform.state.files import versions
from ml_platform.state.ledger import newest_ids
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers, readings

GOOD = "id,name\n1,Ada\n2,Grace\n"


def current(sandbox: IngestionSandbox, table: Table) -> list[tuple[int, str]]:
    frame = sandbox.validated(table).filter(pl.col("_superseded_at").is_null())
    return frame.select(table.key[0], "name").rows()


def end(sandbox: IngestionSandbox, file: str, table: str = "customers") -> Withdrawn:
    settings, declared = sandbox.stores.settings, [customers(), readings()]
    return withdraw(sandbox.state, settings, table, file, why="sent twice", actor="eva", declared=declared)


def test_a_renamed_file_is_the_same_file_and_may_be_corrected(sandbox: IngestionSandbox) -> None:
    table = customers()
    file = sandbox.put("customers/jan.csv", GOOD)
    sandbox.run(table)
    before = sandbox.validated(table).drop("path")
    file.rename(sandbox.landing / "customers/2024-01.csv")
    report = sandbox.ingest(table)
    assert report.renamed == {"customers/2024-01.csv": "customers/jan.csv"}
    [build] = sandbox.run(table)
    assert sandbox.validated(table).drop("path").equals(before)  # known since when it was, in the same bytes
    assert build.result.quarantined == 0 and pending(sandbox.state, table).gone == []
    sandbox.put("customers/2024-01.csv", "id,name\n1,Eva\n2,Grace\n")
    [build] = sandbox.run(table)
    assert build.result.quarantined == 0 and current(sandbox, table) == [(1, "Eva"), (2, "Grace")]
    (sandbox.landing / "customers/2024-01.csv").rename(sandbox.landing / "customers/jan.csv")
    sandbox.run(table)  # and back
    assert current(sandbox, table) == [(1, "Eva"), (2, "Grace")]


def test_a_conflict_with_a_renamed_file_names_it_as_it_is_called_now(sandbox: IngestionSandbox) -> None:
    table = customers()
    file = sandbox.put("customers/z.csv", "id,name\n1,Ada\n")
    sandbox.run(table)
    file.rename(sandbox.landing / "customers/b.csv")
    sandbox.run(table)
    (sandbox.landing / "customers/b.csv").unlink()
    sandbox.put("customers/z.csv", "id,name\n1,Bea\n")
    sandbox.run(table)
    (reason,) = sandbox.quarantine(table)["reason"].to_list()
    assert reason == ("the key (id) of customers/z.csv row 0 has other content in customers/b.csv row 0, which stands")


def test_a_path_may_be_renamed_away_every_month(sandbox: IngestionSandbox) -> None:
    table = customers()
    contents = [GOOD, "id,name\n3,Eva\n", "id,name\n4,Kurt\n"]
    for month, content in enumerate(contents, 1):
        file = sandbox.put("customers/current.csv", content)
        sandbox.run(table)
        file.rename(sandbox.landing / f"customers/archive-{month}.csv")
        assert sandbox.ingest(table).renamed == {f"customers/archive-{month}.csv": "customers/current.csv"}
    sandbox.run(table)
    assert current(sandbox, table) == [(1, "Ada"), (2, "Grace"), (3, "Eva"), (4, "Kurt")]
    assert pending(sandbox.state, table).gone == []


def test_a_file_is_renamed_after_a_refused_version_of_its_old_path(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/jan.csv", GOOD)
    sandbox.run(table)
    sandbox.put("customers/jan.csv", "id\n1\n")
    assert [refusal.path for refusal in sandbox.ingest(table).refused] == ["customers/jan.csv"]
    (sandbox.landing / "customers/jan.csv").unlink()
    sandbox.put("customers/2024-01.csv", GOOD)
    sandbox.run(table)
    assert current(sandbox, table) == [(1, "Ada"), (2, "Grace")]


def test_a_copy_of_a_file_that_stays_is_no_renaming(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    sandbox.put("customers/b.csv", GOOD)
    assert sandbox.ingest(table).renamed == {}


def test_a_file_that_left_is_mentioned_while_its_rows_stand(sandbox: IngestionSandbox) -> None:
    table = customers()
    file = sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    file.unlink()
    look = pending(sandbox.state, table)
    assert look.nothing and look.gone == ["customers/a.csv"]
    assert look.problems == [
        "customers/a.csv left the landing folder while its rows stand. If the rows shall go too: "
        "`ml-platform withdraw customers FILE --why …`."
    ]
    end(sandbox, "a.csv")
    assert pending(sandbox.state, table).problems == []


def test_a_withdrawn_file_ends_at_its_arrival_and_stays_on_record(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/a.csv", "sensor,at,value\na,2013-01-01T00:00:00Z,1\na,2013-02-01T00:00:00Z,2\n")
    sandbox.run(table)
    outcome = end(sandbox, "readings/a.csv", "readings")
    assert (outcome.rows, outcome.changed) == (2, True)
    reports = sandbox.run(table)
    assert [report.result.rows for report in reports] == [0, 0]
    assert sandbox.validated(table)["_superseded_at"].to_list() == [outcome.at, outcome.at]
    [recorded] = withdrawals.standing(sandbox.state, "readings").values()
    assert (recorded.why, recorded.actor, recorded.by_hand) == ("sent twice", "eva", True)
    sandbox.check_nothing_lost(table, reports)


def test_a_withdrawal_stands_whatever_columns_the_declaration_names(sandbox: IngestionSandbox) -> None:
    named = Files("customers/*.csv", column_nulls={"town": ["?"]})  # which the contract does not have
    table = customers(source=named)
    sandbox.put("customers/a.csv", "id,name,town\n1,Ada,?\n")
    file = sandbox.put("customers/b.csv", "id,name,town\n2,Grace,Arlington\n")
    sandbox.run(table)
    end(sandbox, "customers/a.csv")
    file.rename(sandbox.landing / "customers/c.csv")
    [report] = sandbox.run(table)
    assert current(sandbox, table) == [(2, "Grace")] and report.refused == []


def test_withdrawing_twice_changes_nothing(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    first, second = end(sandbox, "customers/a.csv"), end(sandbox, "a.csv")
    assert first.changed and not second.changed
    assert (second.at - first.at).total_seconds() < 1 and second.rows == 2
    assert len(versions(sandbox.state, "customers")) == 2


def test_a_withdrawn_file_stays_out_until_it_lands_again(sandbox: IngestionSandbox, tmp_path: Path) -> None:
    table = customers()
    file = sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    end(sandbox, "customers/a.csv")
    sandbox.put("customers/a.csv", GOOD)  # touched, copied, restored: still what a person withdrew
    look = pending(sandbox.state, table)
    assert look.nothing and look.withdrawn == ["customers/a.csv"]
    assert look.remarks == [
        "customers/a.csv is withdrawn and not read. Land it again with `ml-platform land` to take it back."
    ]
    sandbox.run(table)
    assert current(sandbox, table) == [] and file.exists()
    outside = tmp_path / "a.csv"
    outside.write_text(GOOD)
    seen = [newest_ids(sandbox.state), file.stat().st_ctime_ns]
    assert land(sandbox.stores.settings, table, [outside]) == [Landed(file, "landed")]
    assert newest_ids(sandbox.state) != seen[0] and file.stat().st_ctime_ns != seen[1]  # so sensors look again
    assert pending(sandbox.state, table).changed == ["customers/a.csv"]
    [report] = sandbox.run(table)
    assert report.result.rows == 2 and pending(sandbox.state, table).withdrawn == []


def test_other_content_under_the_name_of_a_withdrawn_file_is_read(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    end(sandbox, "customers/a.csv")
    sandbox.put("customers/a.csv", "id,name\n1,Eva\n")
    sandbox.run(table)
    assert current(sandbox, table) == [(1, "Eva")]


def test_refused_content_under_the_name_of_a_withdrawn_file_is_called_refused(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    end(sandbox, "customers/a.csv")
    sandbox.put("customers/a.csv", "id\n1\n")
    sandbox.run(table)
    look = pending(sandbox.state, table)
    assert look.withdrawn == [] and [refusal.path for refusal in look.refused] == ["customers/a.csv"]
    sandbox.put("customers/a.csv", GOOD)  # what was withdrawn is there again
    assert pending(sandbox.state, table).withdrawn == ["customers/a.csv"]


def test_a_conflict_with_a_withdrawn_file_is_over(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    sandbox.put("customers/b.csv", "id,name\n1,Eva\n")
    [report] = sandbox.run(table)
    assert report.result.quarantined == 1
    end(sandbox, "customers/a.csv")
    [report] = sandbox.run(table)
    assert report.result.quarantined == 0 and current(sandbox, table) == [(1, "Eva")]


def test_a_file_that_is_not_there_is_refused_with_those_that_are(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/january.csv", GOOD)
    sandbox.put("customers/bad.csv", "id\n1\n")
    sandbox.run(table)
    with pytest.raises(NotFoundError, match=r"no file of customers 'januray\.csv'.*Known: customers/january\.csv"):
        end(sandbox, "januray.csv")
    with pytest.raises(NotFoundError, match=r"no table with files 'custmers'.*Did you mean 'customers'.*, readings"):
        end(sandbox, "a.csv", "custmers")
    assert not (sandbox.stores.settings.lake / "locks" / "custmers.lock").exists()
    (sandbox.landing / "customers/bad.csv").unlink()
    with pytest.raises(IngestionError, match=r"No rows of customers/bad\.csv stand, and it left"):
        end(sandbox, "bad.csv")


BAD = {"by its source": "id,name\n1,Ada,1\n", "by its contract": "id\n1\n"}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_refused_file_is_withdrawn_until_it_lands_again(sandbox: IngestionSandbox, tmp_path: Path, bad: str) -> None:
    table, settings = customers(), sandbox.stores.settings
    sandbox.put("customers/good.csv", GOOD)
    sandbox.put("customers/bad.csv", bad)
    sandbox.run(table)
    assert refused(sandbox.state, table)
    outcome = end(sandbox, "bad.csv")
    assert outcome.changed and not end(sandbox, "bad.csv").changed
    assert withdrawals.standing(sandbox.state, "customers")["customers/bad.csv"].why == "sent twice"
    sandbox.put("customers/bad.csv", bad)  # touched, it stays out
    for _ in range(2):
        look = pending(sandbox.state, table)
        assert look.nothing and look.withdrawn == ["customers/bad.csv"] and look.problems == []
        assert refused(sandbox.state, table, look) == []
        sandbox.run(table)
    assert current(sandbox, table) == [(1, "Ada"), (2, "Grace")]
    mended = tmp_path / "bad.csv"
    mended.write_text("id,name\n3,Eva\n")
    land(settings, table, [mended])
    sandbox.run(table)
    assert current(sandbox, table) == [(1, "Ada"), (2, "Grace"), (3, "Eva")]


def test_a_file_that_no_run_has_read_is_withdrawn(sandbox: IngestionSandbox, tmp_path: Path) -> None:
    table, settings = customers(), sandbox.stores.settings
    sandbox.put("customers/broken.csv", "id\n1\n")
    outcome = end(sandbox, "broken.csv")
    assert (outcome.file, outcome.rows, outcome.changed) == ("customers/broken.csv", 0, True)
    assert not end(sandbox, "customers/broken.csv").changed
    sandbox.run(table)  # there is nothing to read, and no raw table yet
    assert pending(sandbox.state, table).withdrawn == ["customers/broken.csv"] and sandbox.ingest(table).refused == []
    sandbox.put("customers/good.csv", GOOD)
    sandbox.run(table)
    assert current(sandbox, table) == [(1, "Ada"), (2, "Grace")]
    back = tmp_path / "broken.csv"
    back.write_text("id\n1\n")
    assert [one.outcome for one in land(settings, table, [back])] == ["landed"]
    assert [refusal.path for refusal in sandbox.ingest(table).refused] == ["customers/broken.csv"]


def test_other_content_that_waits_under_the_name_of_a_withdrawn_file_is_withdrawn_too(
    sandbox: IngestionSandbox,
) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    end(sandbox, "a.csv")
    sandbox.put("customers/a.csv", "id\n1\n")
    assert end(sandbox, "a.csv").changed and pending(sandbox.state, table).nothing
    sandbox.run(table)
    assert current(sandbox, table) == []


def test_a_name_that_several_files_have_is_refused_with_their_paths(sandbox: IngestionSandbox) -> None:
    table = customers(source=Files("customers/**/*.csv"))
    sandbox.put("customers/jan/a.csv", GOOD)
    sandbox.put("customers/feb/a.csv", "id,name\n3,Eva\n")
    sandbox.run(table)
    with pytest.raises(IngestionError, match=r"2 files of customers are called a\.csv: customers/feb/a\.csv, cust"):
        end(sandbox, "a.csv")
    assert end(sandbox, "jan/a.csv").file == "customers/jan/a.csv"
