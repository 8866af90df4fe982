"""A pipeline as a component of any Dagster project: `type: ml_platform.PipelineComponent` in a defs.yaml.

A code location defines shared tables, the alert sensor and the resource once. They belong to the component whose
pipeline comes first by name. A pipeline that does not load harms itself only (S39).
"""

import logging
from typing import Annotated

import dagster as dg

from ml_platform.discovery import declarations_at
from ml_platform.orchestration.broken import broken_definitions
from ml_platform.orchestration.build import pipeline_definitions, shared_definitions
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.scaffolding import PipelineScaffolder

_logger = logging.getLogger(__name__)  # `dg check defs` and the code server print it


def _address(context: dg.ResolutionContext, written: str) -> str:
    """Resolves an address in defs.yaml to an absolute one.

    It imports nothing: an error that is raised here, or while a component is built, ends the whole code location.
    """
    load = dg.ComponentLoadContext.from_resolution_context(context)
    return f"{load.defs_relative_module_name(load.path)}{written}" if written.startswith(".") else written


@dg.scaffold_with(PipelineScaffolder)
class PipelineComponent(dg.Component, dg.Resolvable, dg.Model):
    """A declared model as assets, checks, jobs and sensors.

    Raw files become validated tables, features, a training set, a judged candidate, a champion and its
    predictions. The declaration is Python, a `ModelPipeline`; `pipeline` says where it is. Tables that several
    pipelines of the code location declare are ingested once. ML_PLATFORM_DATA names the folder of
    landed files and the lake.
    """

    pipeline: Annotated[
        str,
        dg.Resolver(
            _address,
            model_field_type=str,
            description="Where the ModelPipeline is: package.module:name, or .module:name beside this file.",
            examples=["shop.models.churn:churn", ".declaration:churn"],
        ),
    ]

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(tags=["machine learning", "duckdb"])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of this pipeline; the first one by name adds the shared definitions.

        A pipeline that does not load has none. The first component adds an asset for each of them, which shows why.
        """
        components = context.component_tree.get_all_components(PipelineComponent)
        pipelines, broken = declarations_at([one.pipeline for one in components])
        addresses = list(pipelines)
        own = [dg.Definitions()]
        if self.pipeline in pipelines:
            own.append(pipeline_definitions(pipelines[self.pipeline], addresses))
        if addresses[:1] == [self.pipeline]:
            own.append(shared_definitions(list(pipelines.values()), WorkspaceResource(pipelines=addresses)))
        if self is components[0]:
            own.append(broken_definitions(broken))
            for one in broken:
                _logger.error("%s does not load: %s", one.name, one.error)
        return dg.Definitions.merge(*own)
