"""What is on record of the service of a pipeline: which version answers, over which rows, beside what it should be."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.models import bundle as bundles
from ml_platform.serving.filling import newest_validated_record
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, Filling, OnlineStore
from ml_platform.serving.running import RunningService, running
from ml_platform.state import ledger
from ml_platform.state.promotions import Promotion, changed
from ml_platform.state.stores import Stores

GRACE = timedelta(minutes=1)  # to take up another champion: it needs a second, and the time of a filling


@dataclass(frozen=True)
class FilledTable:
    """The rows of one table in the online store.

    filling: the oldest of its layouts; None: a layout is missing. newest_at: when the newest rows of the lake were
    recorded; None: there are none. is_fresh: whether the store has these.
    """

    table: str
    filling: Filling | None
    newest_at: datetime | None
    is_fresh: bool


@dataclass(frozen=True)
class ServiceState:
    """A pipeline's service.

    promotion: the entry of the log that made the champion; None without one. deployment: the version that answers, or
    would; None: none ever did. services: the processes that answer for it now.
    """

    pipeline: str
    promotion: Promotion | None
    deployment: Deployment | None
    services: tuple[RunningService, ...]

    @property
    def lags(self) -> bool:
        """Whether a running service answers with another version than the log says."""
        champion = None if self.promotion is None else self.promotion.version
        deployed = None if self.deployment is None else self.deployment.version
        return bool(self.services) and champion != deployed

    def lags_for_long(self, now: datetime | None = None) -> bool:
        """Whether it had `GRACE` to take up the champion and has not."""
        moment = now or datetime.now(UTC)
        return self.lags and (self.promotion is None or moment - self.promotion.recorded_at > GRACE)

    @property
    def phrase(self) -> str:
        """Which version answers, in words."""
        if self.deployment is None:
            return f"no version of {self.pipeline} answers"
        return f"{self.pipeline}@{self.deployment.version} answers"


def service_state(stores: Stores, pipeline: str, store: OnlineStore | None) -> ServiceState:
    """What is on record now. store: None where none was made."""
    log = changed(stores.state, pipeline)
    deployment = store.deployments().get(pipeline) if store is not None else None
    services = tuple(running(stores.settings, pipeline))
    return ServiceState(pipeline, log[-1] if log else None, deployment, services)


def filled_tables(stores: Stores, deployment: Deployment, store: OnlineStore) -> list[FilledTable]:
    """What the online store has of each table that the features of a deployed version read.

    Raises BlobError when its bundle is missing or damaged.
    """
    definition = OnlinePredictor.definition_of(bundles.load(stores.blobs, deployment.bundle))
    fillings = store.fillings()
    tables: dict[str, list[Filling | None]] = {}
    for online_pass in OnlineFeatures(definition).passes:
        tables.setdefault(online_pass.table_name, []).append(fillings.get(online_pass.layout.fingerprint))
    return [_filled_table(stores, name, of_layouts) for name, of_layouts in tables.items()]


def _filled_table(stores: Stores, table: str, of_layouts: list[Filling | None]) -> FilledTable:
    present = [filling for filling in of_layouts if filling is not None]
    oldest = min(present, key=lambda one: one.record_number) if len(present) == len(of_layouts) else None
    newest = newest_validated_record(stores.state, table)
    newest_at = ledger.recorded_at(stores.state, newest)
    return FilledTable(table, oldest, newest_at, oldest is not None and oldest.record_number == newest)
