"""Labels that name predictions: their rows get the keys of what was predicted."""

from dataclasses import replace

from ml_platform.errors import PlatformError
from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.logged_predictions import LoggedPredictions
from ml_platform.serving.rest.event_requests import EventRequest
from ml_platform.serving.rest.exchange import RequestRefused

_NAMED = 10  # fields of a refusal; each is looked for among the predictions of the other pipelines


def with_keys(request: EventRequest, labels: LabelEvents, predictions: LoggedPredictions, name: str) -> EventRequest:
    """The same labels as rows with keys.

    name: of the pipeline. Raises RequestRefused, with each id, where one is of no prediction of that pipeline, and
    where the log cannot be read.
    """
    identities = request.predictions or ()
    try:
        inputs = predictions.inputs(name, identities)
        rows, reasons = [], {}
        for index, (identity, row) in enumerate(zip(identities, request.rows, strict=True)):
            values = labels.request_values(inputs[identity]) if identity in inputs else None
            if values is not None:
                rows.append({**values, **row})
            elif identity in inputs:
                reasons[index] = "its request had other inputs than the pipeline declares now: name the key of the row"
            elif len(reasons) < _NAMED and (other := predictions.other_pipeline(name, identity)) is not None:
                reasons[index] = f"it is a prediction of {other}"
            else:
                reasons[index] = f"{name} gave no prediction with this id"
    except PlatformError as error:
        raise RequestRefused.of_platform(503, error, name) from None
    if reasons:
        what = f"{len(reasons)} of {len(identities)} labels name no prediction of {name}."
        fields = [{"field": f"predictions.{row}.id", "reason": why} for row, why in list(reasons.items())[:_NAMED]]
        remedy = "Send the ids that its answers gave, or the keys of the rows. None of the request was taken."
        raise RequestRefused(422, what, remedy, name, fields=fields, count=len(reasons))
    return replace(request, rows=rows)
