"""The end of a search by a person, with the best trial so far."""

from ml_platform.errors import OrderError
from ml_platform.state import searches
from ml_platform.state.database import State
from ml_platform.state.searches import Search
from ml_platform.tuning.searching import best_of


def take(state: State, number: int) -> Search:
    """End an unfinished search with its best trial so far: the next training uses that.

    Raises NotFoundError, and OrderError for a search that is done, under way, or has no finished trial.
    """
    with state.writing():
        search = searches.search(state, number)
        if search.status == "done":
            raise OrderError(
                f"Search {number} is done; trial {search.best} was chosen.", remedy="Nothing is left to do."
            )
        if number in searches.alive(state):
            raise OrderError(f"Search {number} is under way.", remedy="End it first, with Ctrl-C.")
        best = best_of(searches.trials(state, number), search.metric)
        if best is None:
            raise OrderError(f"Search {number} has no finished trial.", remedy="Run it again, or change its space.")
        return searches.end(state, search, "done", ended_by="person", best=best.number)
