"""What is on record of the version that answers online, for the pages of the service."""

from datetime import datetime
from typing import Any

from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.online_store import Deployment, OnlineStore
from ml_platform.serving.rest.pages.layout import links
from ml_platform.serving.service_state import filled_tables
from ml_platform.spec.declarations import Declarations
from ml_platform.state import challenges, promotions
from ml_platform.state.promotions import Promotion
from ml_platform.state.versions import Version, version
from ml_platform.views.model_card.assembled import model_card
from ml_platform.views.model_card.page import page
from ml_platform.views.version_card import card_of


def served_record(ws: Workspace, name: str, declared: Declarations, store: OnlineStore) -> dict[str, Any]:
    """The record of the version that answers for a pipeline, as JSON values; empty where none answers.

    `version`, `promotion`, `challenge`, `metrics` (of the holdout), `card` (Markdown; null where the declaration does
    not load), `lineage`, `data` (of each table: what the online store has of it), `reports` (address of their pages).
    """
    deployment = store.deployments().get(name)
    if deployment is None:
        return {}
    served, pipeline = version(ws.state, name, deployment.version), declared.pipelines.get(name)
    return {
        "version": served.version,
        "promotion": _promotion(ws, served),
        "challenge": _challenge(ws, name),
        "metrics": {metric: value for metric, value in served.metrics["holdout"].items() if value is not None},
        "card": None if pipeline is None else card_of(ws, pipeline, served.version, stored=True),
        "lineage": _lineage(ws, served),
        "data": _data(ws, deployment, store),
        "reports": f"{ws.settings.reports_url}/{name}/index.html",
    }


def served_card(ws: Workspace, name: str, declared: Declarations, store: OnlineStore) -> tuple[int, str] | None:
    """The version that answers for a pipeline, and the page of its card; None where there is none to show."""
    deployment, pipeline = store.deployments().get(name), declared.pipelines.get(name)
    if deployment is None or pipeline is None:
        return None
    return deployment.version, page(model_card(ws, pipeline, deployment.version), links([("Service", "/")]))


def _promotion(ws: Workspace, served: Version) -> dict[str, Any] | None:
    """The newest entry that made the version the champion."""
    log = [entry for entry in promotions.changed(ws.state, served.pipeline) if entry.version == served.version]
    entry: Promotion | None = log[-1] if log else None
    if entry is None:
        return None
    return {
        "at": entry.recorded_at.isoformat(),
        "action": entry.action,
        "by": entry.actor,
        "why": entry.reason,
        "previous": entry.previous,
    }


def _challenge(ws: Workspace, name: str) -> dict[str, Any] | None:
    entry = challenges.standing(ws.state, name)
    if entry is None:
        return None
    return {"version": entry.version, "at": entry.recorded_at.isoformat(), "by": entry.actor, "why": entry.reason}


def _lineage(ws: Workspace, served: Version) -> dict[str, Any]:
    definition = FeatureDefinition.from_json(bundles.load(ws.blobs, served.bundle).definition)
    return {
        "trained_after": served.partition,
        "trained_at": served.created_at.isoformat(),
        "decided_at": _text(served.decided_at),
        "training_set": served.training_set,
        "content_key": served.content_key,
        "code_version": served.code_version,
        "run": served.run_id,
        "tables": sorted({definition.examples, *definition.tables}),
        "libraries": served.environment.get("libraries", {}),
    }


def _data(ws: Workspace, deployment: Deployment, store: OnlineStore) -> list[dict[str, Any]]:
    return [
        {
            "table": one.table,
            "filled_at": _text(one.filling.filled_at if one.filling else None),
            "recorded_at": _text(one.newest_at),
            "is_newest": one.is_fresh,
        }
        for one in filled_tables(ws, deployment, store)
    ]


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
