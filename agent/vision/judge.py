"""A small logistic model over every measurement and every product of two: cheap to run, quick to train, easy to read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """`mean` and `spread` bring n measurements to one scale; `weights` are 1 + n + n (n + 1) / 2 numbers, the constant first."""

    mean: Doubles
    spread: Doubles
    weights: Doubles

    @classmethod
    def parse(cls, text: str) -> "Judge":
        """Three lines of numbers: means, spreads, weights."""
        return cls(*(np.array(line.split(), np.float64) for line in text.strip().splitlines()))

    def __call__(self, measured: Sequence[Sequence[float]] | Doubles) -> Doubles:
        """A probability for each row of measurements."""
        if not len(measured):
            return np.zeros(0)
        terms = expanded((np.asarray(measured, np.float64) - self.mean) / self.spread)
        return np.asarray(1 / (1 + np.exp(-np.clip(terms @ self.weights, -30, 30))), np.float64)


def expanded(scaled: Doubles) -> Doubles:
    """The constant, each measurement, each product of two; cut at four spreads so that one odd value cannot outvote the rest."""
    scaled = np.clip(scaled, -4, 4)
    first, second = np.triu_indices(scaled.shape[1])
    return np.hstack([np.ones((len(scaled), 1)), scaled, 0.5 * scaled[:, first] * scaled[:, second]])
