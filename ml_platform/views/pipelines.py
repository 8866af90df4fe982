"""Which pipelines are on record, and how far each of them is. Needs no declaration."""

from dataclasses import dataclass

from sqlalchemy import select

from ml_platform.naming import RESERVED
from ml_platform.spec.partitions import WHOLE
from ml_platform.state import ledger, promotions, versions
from ml_platform.state.database import State
from ml_platform.state.schema import versions as versions_table


@dataclass(frozen=True)
class PipelineSummary:
    """How far a pipeline is.

    partitions: those whose features were made, in order; the only one of a pipeline without partitions is "all".
    versions:   how many were trained.
    champion:   the version that serves now; None: none yet.
    """

    name: str
    partitions: tuple[str, ...]
    versions: int
    champion: int | None

    @property
    def newest(self) -> str | None:
        """The newest partition; None before the first, and for a pipeline without partitions."""
        return self.partitions[-1] if self.partitions and self.partitions != (WHOLE,) else None


def recorded_pipelines(state: State) -> list[str]:
    """The names of all pipelines that ever made or trained something, in order."""
    with_assets = {asset.partition("/")[0] for asset in ledger.assets(state)} - RESERVED
    with_versions = {row[0] for row in state.rows(select(versions_table.c.pipeline).distinct())}
    return sorted(with_assets | with_versions)


def summary(state: State, name: str) -> PipelineSummary:
    """How far the pipeline of that name is; all empty for one that is not on record."""
    partitions = sorted(key for _, key in ledger.latest(state, f"{name}/features"))
    trained = len(versions.versions(state, name))
    return PipelineSummary(name, tuple(partitions), trained, promotions.champion_at(state, name))
