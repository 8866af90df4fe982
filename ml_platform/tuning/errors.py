"""The errors of searches."""

from ml_platform.errors import TrainingError


class SearchFailed(TrainingError):
    """No trial of a search gave a model."""


class TrialFailed(Exception):
    """A trial gave no model; the search goes on. The reason is a sentence."""


class OutOfTime(Exception):
    """The time of the search ended within a trial, which leaves no record."""
