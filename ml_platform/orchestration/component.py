"""A pipeline as a component of any Dagster project: `type: ml_platform.PipelineComponent` in a defs.yaml.

A code location defines shared tables, the alert sensor and the resource once. They belong to the component whose
pipeline comes first by name.
"""

from typing import Annotated

import dagster as dg

from ml_platform.discovery import pipeline_at
from ml_platform.errors import DeclarationError
from ml_platform.orchestration.build import pipeline_definitions, shared_definitions
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.scaffolding import PipelineScaffolder
from ml_platform.spec.pipeline import ModelPipeline


def _address(context: dg.ResolutionContext, written: str) -> str:
    """Resolves an address in defs.yaml to an absolute one. Raises DeclarationError when it names no pipeline."""
    load = dg.ComponentLoadContext.from_resolution_context(context)
    address = f"{load.defs_relative_module_name(load.path)}{written}" if written.startswith(".") else written
    pipeline_at(address, named_by="pipeline")
    return address


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
        """The definitions of this pipeline. The first pipeline by name adds the shared definitions.

        Raises DeclarationError when pipelines of the code location have one name, or define a table differently.
        """
        components = context.component_tree.get_all_components(PipelineComponent)
        everyone = _by_name([one.pipeline for one in components])
        addresses = list(everyone)
        own = pipeline_definitions(everyone[self.pipeline], addresses)
        if self.pipeline != addresses[0]:
            return own
        return dg.Definitions.merge(
            own, shared_definitions(list(everyone.values()), WorkspaceResource(pipelines=addresses))
        )


def _by_name(addresses: list[str]) -> dict[str, ModelPipeline]:
    """Address → pipeline, ordered by pipeline name. Raises DeclarationError for a name that occurs twice."""
    by_name: dict[str, tuple[str, ModelPipeline]] = {}
    for address in addresses:
        pipeline = pipeline_at(address, named_by="pipeline")
        if pipeline.name in by_name:
            raise DeclarationError(
                f"ModelPipeline({pipeline.name!r})",
                f"two components have a pipeline of this name: {by_name[pipeline.name][0]} and {address}",
                remedy="Remove one component, or rename one pipeline.",
            )
        by_name[pipeline.name] = (address, pipeline)
    return {address: pipeline for _, (address, pipeline) in sorted(by_name.items())}
