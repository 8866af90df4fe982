"""Assets of serving: the online store and the service that `ml-platform serve` made, and the integration test."""

from collections.abc import Callable

import dagster as dg

from ml_platform.errors import OrderError
from ml_platform.orchestration.alerting import tell_alerts
from ml_platform.orchestration.checks import check_specs
from ml_platform.orchestration.events import materialized
from ml_platform.orchestration.links import service_links
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.workspaces import settings_of
from ml_platform.runtime.progress import announce
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.promotions import champion_at
from ml_platform.steps import integration_test
from ml_platform.steps.service_checks import (
    SERVICE,
    SERVICE_CHECKS,
    STORE,
    STORE_CHECKS,
    service_outcome,
    store_outcome,
)

_STORE_DESCRIPTION = (
    "What a request cannot bring, by key: looked-up rows, latest rows and windows of the version that answers.\n\n"
    "Materializing this asset looks at the store and changes nothing.\n\n"
    "**Changes with** the validated rows and the champion: `ml-platform serve` fills it.\n\n"
    "**When a check fails:** a service runs and does not take up rows; its output and `/readyz` say why."
)
_SERVICE_DESCRIPTION = (
    "The version that `ml-platform serve` answers with.\n\n**Changes with** the champion, within seconds.\n\n"
    "Materializing this asset asks the service whether it is ready, and computes a sample of its logged answers again "
    "from the lake.\n\n"
    "**When a check fails:** parity names the first differences; of version and health the output of the service and "
    "`/readyz` say why."
)


_TEST_DESCRIPTION = (
    "A real service of the champion answers held-out examples over HTTP, on a free port of this machine.\n\n"
    "`ml-platform promote --to` takes a version to another environment only after this test passed here. Its answers "
    "are no predictions: they reach no log.\n\n"
    "**Changes with** the champion's bundle. A bundle that passed is not tested again.\n\n"
    "**When a check fails:** its description names what differs; latency warns where the machine was busy, and is "
    "measured again by the next test."
)


def serving_assets(pipeline: ModelPipeline) -> list[dg.AssetsDefinition]:
    """The assets of the online store, the service and its test. Any champion can be served: every pipeline has them."""
    tables = [["validated", table.name] for table in pipeline.tables]
    name = pipeline.name
    return [
        _asset(
            pipeline,
            STORE,
            {"sqlite"},
            [*tables, [name, "predictions"]],
            STORE_CHECKS,
            _STORE_DESCRIPTION,
            lambda ws, _: store_outcome(ws, name),
        ),
        _asset(
            pipeline,
            SERVICE,
            {"fastapi"},
            [[name, "champion"], [name, STORE]],
            SERVICE_CHECKS,
            _SERVICE_DESCRIPTION,
            lambda ws, run_id: service_outcome(ws, name, run_id),
        ),
        _asset(
            pipeline,
            integration_test.NAME,
            {"fastapi"},
            [[name, "champion"]],
            integration_test.CHECKS,
            _TEST_DESCRIPTION,
            lambda ws, run_id: _test_of_champion(ws, pipeline, run_id),
        ),
    ]


def _test_of_champion(ws: Workspace, pipeline: ModelPipeline, run_id: str) -> Outcome:
    champion = champion_at(ws.state, pipeline.name)
    if champion is None:
        raise OrderError(f"{pipeline.name} has no champion to test.", remedy="Materialize its champion first.")
    return integration_test.integration_test(ws, pipeline, champion, run_id)


def _asset(
    pipeline: ModelPipeline,
    name: str,
    kinds: set[str],
    upstream: list[list[str]],
    checks: tuple[tuple[str, str], ...],
    description: str,
    look: Callable[[Workspace, str], Outcome],
) -> dg.AssetsDefinition:
    key = [pipeline.name, name]

    @dg.asset(
        key=key,
        group_name=pipeline.name,
        owners=list(pipeline.owners),
        kinds=kinds,
        deps=[dg.AssetKey(one) for one in upstream],
        description=description,
        metadata=service_links(settings_of(()), pipeline.name),
        check_specs=check_specs(key, checks),
    )
    def look_at_it(context: dg.AssetExecutionContext, ml_platform_workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it, and refuses a parameter beside checks
        announce("/".join(key), WHOLE)
        with secret_free_errors():
            ws = ml_platform_workspace.workspace()
            outcome = look(ws, context.run.run_id)
            tell_alerts(context, ws, key, WHOLE, outcome, "check")
        return materialized(key, WHOLE, outcome, ws.blobs)

    return look_at_it
