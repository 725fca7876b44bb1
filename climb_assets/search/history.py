"""The history of a search: every mixture that was evaluated, and what was measured on it.

What belongs here: rows, and how far each is believed. What is learnt from them is `climb_assets.search.iteration`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.errors import ComputeError
from climb_assets.search.objectives import objective_loss
from climb_assets.search.trust import HALF, OWN
from climb_assets.simplex.mixtures import FloatArray, check_simplex, mixture_key
from climb_assets.tables import read_table, write_table

AS_SURE = 0.02  # total variation; as far as two candidates of one iteration are apart at least


@dataclass(frozen=True)
class History:
    """Every mixture that was evaluated, in order; rows are only ever added.

    Parameters
    ----------
    keys
        Name of each mixture (n).
    iteration
        Number of the iteration that evaluated it (n,).
    weights
        Share of each domain (n, K).
    losses
        For each task the loss in bits per byte (n,); NaN where the proxy diverged.
    diverged
        Whether the proxy diverged (n,); such a row enters no fit.
    sources
        Where each row comes from (n): `OWN` for the search itself, else the name of the evidence.
    doubt
        Total variation (n,) between the text that a row's model was trained on and what its mixture says; 0 for the
        search's own.
    trust
        How far each row is believed (n,), from 0 to 1, by the task that believes it least; 1 for the search's own.
    """

    keys: tuple[str, ...]
    iteration: npt.NDArray[np.int32]
    weights: FloatArray
    losses: Mapping[str, FloatArray]
    diverged: npt.NDArray[np.bool_]
    sources: tuple[str, ...]
    doubt: FloatArray
    trust: FloatArray

    @classmethod
    def empty(cls, domains: int, tasks: Sequence[str]) -> Self:
        """Return the history before the first iteration."""
        losses = {task: np.empty(0) for task in sorted(tasks)}
        return cls.of_own((), 0, np.empty((0, domains)), losses, np.empty(0, dtype=np.bool_))

    @classmethod
    def of_own(
        cls,
        keys: Sequence[str],
        iteration: int,
        weights: FloatArray,
        losses: Mapping[str, FloatArray],
        diverged: npt.NDArray[np.bool_],
    ) -> Self:
        """Return rows that the search has measured itself in one iteration."""
        number, none, all_of_it = np.full(len(keys), iteration, dtype=np.int32), np.zeros(len(keys)), np.ones(len(keys))
        return cls(tuple(keys), number, weights, losses, diverged, (OWN,) * len(keys), none, all_of_it)

    @classmethod
    def of_evidence(
        cls,
        source: str,
        weights: FloatArray,
        losses: Mapping[str, FloatArray],
        doubt: FloatArray | None = None,
    ) -> Self:
        """Return runs that others have trained as rows that a search begins with, as of iteration 0.

        Runs of one mixture become one row with the mean of their losses; those that are more doubtful by `AS_SURE` than
        another of them do not count, since the text that they were trained on is not that of the mixture.

        Parameters
        ----------
        weights, losses
            Mixtures (n, K) and for each task their finite losses (n,).
        doubt
            See `History`; None: their mixtures say all of the text that they were trained on.
        """
        doubt = np.zeros(len(weights)) if doubt is None else doubt
        all_of: dict[str, list[int]] = {}
        for row, mixture in enumerate(weights):
            all_of.setdefault(mixture_key(mixture), []).append(row)
        most = {key: doubt[rows].min() + AS_SURE for key, rows in all_of.items()}
        rows_of = {key: [row for row in rows if doubt[row] <= most[key]] for key, rows in all_of.items()}
        first = [rows[0] for rows in rows_of.values()]
        return cls(
            tuple(rows_of),
            np.zeros(len(first), dtype=np.int32),
            weights[first],
            {task: np.array([loss[rows].mean() for rows in rows_of.values()]) for task, loss in sorted(losses.items())},
            np.zeros(len(first), dtype=np.bool_),
            (source,) * len(first),
            np.array([doubt[rows].max() for rows in rows_of.values()]),
            np.ones(len(first)),
        )

    def extend(self, keys: Sequence[str], weights: FloatArray, results: pa.Table, iteration: int) -> "History":
        """Return this history with one iteration's mixtures after it.

        Parameters
        ----------
        keys, weights
            The mixtures: names (m) and shares (m, K).
        results
            A row for each mixture and task, in any order: key, task, loss, diverged. Rows are joined by key.

        Raises
        ------
        ComputeError
            A mixture is there already, has not exactly one result for each task, or has no finite loss and is
            not flagged as diverged.
        """
        repeated = sorted(set(keys) & set(self.keys))
        if repeated or len(set(keys)) != len(keys):
            twice = repeated[0] if repeated else "one of its own"
            raise ComputeError(f"iteration {iteration} evaluates a mixture twice ({twice}); propose it again")
        check_simplex(weights, self.weights.shape[1])
        row_of = {key: row for row, key in enumerate(keys)}
        losses = {task: np.full(len(keys), np.nan) for task in self.losses}
        seen = {task: np.zeros(len(keys), dtype=np.int64) for task in self.losses}
        diverged = np.zeros(len(keys), dtype=np.bool_)
        for result in results.select(["key", "task", "loss", "diverged"]).to_pylist():
            row, task = row_of.get(result["key"]), result["task"]
            if row is None or task not in losses:
                continue
            losses[task][row] = np.nan if result["loss"] is None or result["diverged"] else result["loss"]
            seen[task][row] += 1
            diverged[row] |= result["diverged"]
        for task, loss in losses.items():
            wrong = (seen[task] != 1) | (~np.isfinite(loss) & ~diverged)
            if wrong.any():
                key = keys[int(np.argmax(wrong))]
                raise ComputeError(
                    f"mixture {key} has no single finite loss of {task}; evaluate iteration {iteration} again"
                )
        return self.followed_by(History.of_own(keys, iteration, weights, losses, diverged))

    def followed_by(self, other: "History") -> "History":
        """Return the rows of this history and then those of another; a mixture that both have is this one's."""
        known = set(self.keys)
        new = np.array([key not in known for key in other.keys], dtype=np.bool_)
        return History(
            (*self.keys, *(key for key, keep in zip(other.keys, new, strict=True) if keep)),
            np.concatenate([self.iteration, other.iteration[new]]),
            np.concatenate([self.weights, other.weights[new]]),
            {task: np.concatenate([loss, other.losses[task][new]]) for task, loss in self.losses.items()},
            np.concatenate([self.diverged, other.diverged[new]]),
            (*self.sources, *(source for source, keep in zip(other.sources, new, strict=True) if keep)),
            np.concatenate([self.doubt, other.doubt[new]]),
            np.concatenate([self.trust, other.trust[new]]),
        )

    def measured_here(self) -> "History":
        """Return the rows that the search has measured itself."""
        own = self.own
        losses = {task: loss[own] for task, loss in self.losses.items()}
        keys = [key for key, keep in zip(self.keys, own, strict=True) if keep]
        rows = History.of_own(keys, 0, self.weights[own], losses, self.diverged[own])
        return replace(rows, iteration=self.iteration[own])

    def believed_as(self, trust: FloatArray) -> "History":
        """Return the same rows with another trust (n,)."""
        return replace(self, trust=trust)

    @property
    def own(self) -> npt.NDArray[np.bool_]:
        """Whether the search has measured each row itself (n,)."""
        return np.array([source == OWN for source in self.sources], dtype=np.bool_)

    @property
    def believed(self) -> npt.NDArray[np.bool_]:
        """Whether each row is believed enough to be a mark to beat (n,)."""
        marked: npt.NDArray[np.bool_] = self.trust >= HALF
        return marked

    def objective(self, weights: Mapping[str, float]) -> FloatArray:
        """Return the measured objective (n,) of every row; NaN where the proxy diverged."""
        return np.where(self.diverged, np.nan, objective_loss(self.losses, weights))

    def save(self, path: Path) -> None:
        """Write one row for each mixture: what there is to tell of it, and one column for each task."""
        columns: dict[str, pa.Array] = {
            "key": pa.array(self.keys, pa.string()),
            "iteration": pa.array(self.iteration),
            "weights": pa.array(list(self.weights), pa.list_(pa.float64())),
            "diverged": pa.array(self.diverged),
            "source": pa.array(self.sources, pa.string()),
            "doubt": pa.array(self.doubt),
            "trust": pa.array(self.trust),
        }
        columns |= {task: pa.array(loss, mask=np.isnan(loss)) for task, loss in self.losses.items()}
        write_table(path, pa.table(columns))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ComputeError
            It was written before rows told where they are from.
        """
        table = read_table(path)
        if "trust" not in table.column_names:
            raise ComputeError(f"{path} was written by an earlier version; run `climb up`")
        apart = ("key", "weights", "source")
        column = {name: table[name].to_numpy() for name in table.column_names if name not in apart}
        iteration, diverged = column.pop("iteration"), column.pop("diverged").astype(np.bool_)
        doubt, trust = column.pop("doubt"), column.pop("trust")
        losses = {task: loss.astype(np.float64) for task, loss in column.items()}
        keys, sources = tuple(table["key"].to_pylist()), tuple(table["source"].to_pylist())
        weights = np.array(table["weights"].to_pylist())
        return cls(keys, iteration, weights, losses, diverged, sources, doubt, trust)


def first_models(results: pa.Table) -> pa.Table:
    """Return the results of the first model of each mixture: one a mixture, so that all rows are alike."""
    return results.filter(pc.equal(results["repeat"], 0))
