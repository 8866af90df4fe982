"""Tests a written declaration: it must load, and it validates the rows that it was drafted from."""

import importlib.util
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from ml_platform.authoring.draft import Draft
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.validation.screening import screen

ROWS = 1_000_000  # that are screened, evenly spread; of fewer, all


@dataclass(frozen=True)
class Proof:
    """The pipeline as it loaded, and how many of the screened rows would go to quarantine, by reason."""

    pipeline: ModelPipeline
    screened: int
    refused: dict[str, int]


def prove(source: str, draft: Draft) -> Proof:
    """Load the text as a module and screen the file's rows by it. Errors of the declaration are raised as they are."""
    name = f"drafted_{uuid.uuid4().hex}"
    with TemporaryDirectory(prefix="new-") as folder:
        file = Path(folder) / f"{draft.name}.py"
        file.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            pipeline: ModelPipeline = getattr(module, draft.name)
            raw = draft.opened.sample(ROWS)
            table = pipeline.table(draft.table)
            screened = screen(table, raw, draft.opened.path, {}, pipeline.partitions).frame
        finally:
            del sys.modules[name]
    by_rule = screened.drop_nulls("_rule").group_by("_rule").agg(pl.len(), pl.col("_reason").first()).sort("_rule")
    return Proof(pipeline, raw.height, {str(reason): int(rows) for _, rows, reason in by_rule.iter_rows()})
