"""A `dagster.yaml` that Dagster cannot read is one line with its path, and where in it the parser stopped."""

from pathlib import Path

import pytest

from ml_platform.orchestration.instances import opened_instance
from ml_platform.orchestration.storage_faults import HomeBroken


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"nonsense: [", ", line 1, column 12: expected the node content"),
        (b"telemetry: {enabled: false}\na: b: c\n", ", line 2, column 5: mapping values are not allowed"),
        (b"nonsense: 1\n", ': Received unexpected config entry "nonsense" at the root'),
        (b"telemetry: {enabled: maybe}\n", ": Invalid scalar at path root:telemetry:enabled"),
        (b"run_storage: {module: nowhere, class: X, config: {}}\n", ": Couldn't import module nowhere"),
        (b"just text\n", ": Expected YAML from file"),
        (b"a: \x00\n", ": unacceptable character #x0000"),
        (b"\xff\xfe", ": it is not UTF-8 text (byte 0)"),
    ],
)
def test_a_configuration_that_dagster_refuses_is_named_with_where_it_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, where: str
) -> None:
    (tmp_path / "dagster.yaml").write_bytes(content)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(HomeBroken) as raised, opened_instance():
        pass
    assert raised.value.what.startswith(f"{tmp_path / 'dagster.yaml'}{where}")
    assert "\n" not in str(raised.value) and "Correct the file" in raised.value.remedy
