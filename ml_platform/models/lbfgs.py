"""Minimising a convex function by L-BFGS (Nocedal & Wright 2006, 7.2), to the same bits whatever the threads."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ITERATIONS = 1000
MEMORY = 10  # steps that L-BFGS remembers
FLAT = 1e-9  # largest part of the gradient of the mean loss at which fitting has converged


def minimised(loss: Callable[[Array], tuple[float, Array]], start: Array) -> tuple[Array, int, float]:
    """Where a convex function is least, by L-BFGS: the point, iterations, and the gradient's largest part there.

    Ends at a gradient of FLAT, after ITERATIONS, or where no smaller value can be told from rounding.
    """
    at, (value, gradient) = start, loss(start)
    steps: list[tuple[Array, Array, float]] = []
    iteration, length = 0, 1.0
    while iteration < ITERATIONS and np.abs(gradient).max() > FLAT and length > 1e-9:
        direction, shares = -gradient, []
        for step, change, inner in reversed(steps):
            shares.append(float(np.sum(step * direction)) / inner)
            direction = direction - shares[-1] * change
        for _, change, inner in steps[-1:]:
            direction = direction * (inner / float(np.sum(change * change)))
        for (step, change, inner), share in zip(steps, reversed(shares), strict=True):
            direction = direction + (share - float(np.sum(change * direction)) / inner) * step
        slope, length = float(np.sum(gradient * direction)), 1.0
        while not (trial := loss(at + length * direction))[0] <= value + 1e-4 * length * slope and length > 1e-9:
            length /= 2
        if length > 1e-9:
            step, change = length * direction, trial[1] - gradient
            if (inner := float(np.sum(step * change))) > 0:
                steps = [*steps[1 - MEMORY :], (step, change, inner)]
            at, (value, gradient) = at + step, trial
            iteration += 1
    return at, iteration, float(np.abs(gradient).max())
