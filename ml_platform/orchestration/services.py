"""Tells Dagster which version a service answers with, and notices one that does not follow the promotion log."""

from contextlib import closing, nullcontext
from datetime import timedelta

import dagster as dg

from ml_platform.monitoring.alert_rules import of_lagging_service
from ml_platform.orchestration.latest_events import newest_metadata
from ml_platform.serving.opening_store import existing_store
from ml_platform.serving.service_state import GRACE, ServiceState, service_state
from ml_platform.spec.canonical import content_key
from ml_platform.state.alerts import Alert
from ml_platform.state.stores import Stores
from ml_platform.steps.service_checks import SERVICE

SOON = timedelta(seconds=20)  # until a service is looked at again that has not taken up the champion yet


def report_service(instance: dg.DagsterInstance, stores: Stores, pipeline: str) -> ServiceState:
    """What is on record of the service of a pipeline. Dagster is told where it answers with another version now."""
    store = existing_store(stores.settings)
    with closing(store) if store is not None else nullcontext():
        state = service_state(stores, pipeline, store)
    key = dg.AssetKey([pipeline, SERVICE])
    if state.services and state.deployment is not None and newest_metadata(instance, key, "answers") != state.phrase:
        deployment = state.deployment
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                key,
                description="The service took up another version.",
                metadata={"answers": state.phrase, "deployed at": dg.MetadataValue.timestamp(deployment.deployed_at)},
                tags={
                    "dagster/data_version": content_key("service", pipeline, (deployment.version, deployment.bundle))
                },
            )
        )
    return state


def problem_of(state: ServiceState) -> Alert | None:
    """The alert about a service that does not follow the promotion log; None while it does or still may."""
    if not state.lags_for_long():
        return None
    champion = None if state.promotion is None else state.promotion.version
    seq = 0 if state.promotion is None else state.promotion.seq
    name = f"{state.pipeline}@{champion}" if champion is not None else "none"
    return of_lagging_service(f"{state.pipeline}/{SERVICE}", state.phrase, name, f"{state.phrase} {seq}", GRACE)
