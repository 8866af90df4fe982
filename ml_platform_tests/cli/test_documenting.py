"""card, evidence and uses, as a person types them."""

import json
import zipfile
from pathlib import Path

from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.hostile_text import Page

VERSION = "trip_delay@1"


def test_a_card_is_printed_as_markdown_or_json_and_written_as_a_page(shared_platform: Path, tmp_path: Path) -> None:
    file = tmp_path / "card.html"
    card = invoke("card", VERSION, "--html", str(file))
    assert card.exit_code == 0 and card.stdout == "" and str(file) in card.stderr.replace("\n", "")
    Page(file.read_text()).assert_runs_nothing()
    text = invoke("card", VERSION)
    assert text.stdout.startswith(f"# {VERSION}\n") and "## Gaps between segments" in text.stdout
    values = json.loads(invoke("card", VERSION, "--json").stdout)
    assert (values["pipeline"], values["version"], values["format"]) == ("trip_delay", 1, 1)
    assert json.loads(invoke("card", VERSION, "--schema").stdout)["title"] == "ModelCard"
    assert invoke("card", VERSION, "--json", "--markdown").exit_code == 2
    unknown = invoke("card", "trip_delay@77")
    assert unknown.exit_code == 2 and "trip_delay@77" in unknown.stderr


def test_evidence_is_written_and_checked(shared_platform: Path, tmp_path: Path) -> None:
    file = tmp_path / "evidence.zip"
    facts = invoke_json("evidence", VERSION, "--to", str(file), "--with-data")
    assert facts["bytes"] == file.stat().st_size and facts["with_data"] is True
    assert invoke_json("evidence", "--check", str(file), "--sha256", facts["sha256"])["whole"] is True
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("more.txt", "x")
    changed = invoke("evidence", "--check", str(file), "--sha256", facts["sha256"])
    assert changed.exit_code == 1 and "'more.txt' was added" in changed.stderr and "SHA-256" in changed.stderr
    file.write_text("no archive")
    for words, said in (
        (("--check", str(file)), "this is no evidence archive"),
        (("--check", str(tmp_path / "none.zip")), "there is no"),
        ((VERSION,), "give a version and --to"),
        ((VERSION, "--check", str(file)), "takes neither a version nor --to"),
    ):
        refused = invoke("evidence", *words)
        assert refused.exit_code == 2 and said in " ".join(refused.stderr.replace("│", "").split())


def test_uses_lists_declarations_and_versions_and_takes_one_question(shared_platform: Path) -> None:
    shown = invoke("uses", "traffic.jam")
    assert shown.exit_code == 0 and "traffic__jam" in shown.stdout and "champion" in shown.stdout
    (used,) = invoke_json("uses", "--feature", "hour")
    assert used["change"] == "same" and used["models"][0]["role"] == "declared"
    assert invoke_json("uses", "--changed") == []
    for words in ((), ("trips", "--feature", "hour")):
        assert invoke("uses", *words).exit_code == 2
    refused = invoke("uses", "trip.km")
    assert refused.exit_code == 2 and "trips" in refused.stderr
