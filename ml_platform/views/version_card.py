"""The model card of a version as Markdown; `views.model_card` has it as values."""

from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.model_card.assembled import model_card, stored_card
from ml_platform.views.model_card.markdown import markdown


def card_of(ws: Workspace, pipeline: ModelPipeline, number: int, *, stored: bool = False) -> str:
    """The model card of one version as the records say it now; `stored`: only what never changes, made in a moment.

    Raises NotFoundError when the version does not exist, BlobError without its bundle or, unless `stored`, its training
    set.
    """
    return markdown(stored_card(ws, pipeline, number) if stored else model_card(ws, pipeline, number))
