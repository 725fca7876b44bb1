"""Training fastText classifiers from annotations, one a dimension, as the paper does.

What belongs here: training and its held-out scores. How text is prepared and what a model's answer means is `quality`.

Labels and text are those of NVIDIA's released classifiers; neither paper nor recipe tells how they were trained, so all
else is fastText's own default. Its threads would train in no fixed order, and one thread starts from memory as it was
(version 0.9.2 initialises a tenth of the weights a thread); so there is one thread, and the first weights of every word
are handed in.
"""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from climb_assets.clusters.annotations import Annotations
from climb_assets.clusters.held_out import HeldOut, assign_folds, compare_held_out
from climb_assets.clusters.quality import LABEL, prepare_for_fasttext
from climb_assets.config_quality import Quality
from climb_assets.errors import ComputeError
from climb_assets.executor.executor import Resources
from climb_assets.executor.local import LocalExecutor
from climb_assets.randomness import generator
from climb_assets.store.files import atomic_file, scratch_folder

WIDTH = 100  # of fastText's vectors, its default
END_OF_LINE = "</s>"  # fastText's word for it
MEMORY = 4 * 2**30  # bytes of a process that trains one


@dataclass(frozen=True)
class TrainClassifier:
    """Train one classifier in a process of its own, which the library may end.

    Parameters
    ----------
    dimension
        What it scores.
    lines
        Text file of the prepared texts, one a line.
    labels
        Score of each line.
    fold
        The fold that it is not trained on and scores; None of the model that is kept.
    held_out
        The lines of that fold.
    scratch
        Folder of its files.
    """

    dimension: str
    lines: Path
    labels: tuple[int, ...]
    fold: int | None
    held_out: tuple[int, ...]
    scratch: Path
    epochs: int
    seed: int

    @property
    def name(self) -> str:
        """What people read of it."""
        return self.dimension if self.fold is None else f"{self.dimension}, fold {self.fold}"

    @property
    def model(self) -> Path:
        """The model, where it is kept."""
        return self.scratch / model_file(self.dimension)

    def run(self) -> list[float]:
        """Train it, and return the scores of the lines that are held out.

        Raises
        ------
        ComputeError
            fastText gave up.
        """
        import fasttext

        lines = self.lines.read_text(encoding="utf-8").splitlines()
        left_out = set(self.held_out)
        kept = [row for row in range(len(lines)) if row not in left_out]
        texts, vectors = (self.scratch / f"{self.dimension}-{self.fold}.{kind}" for kind in ("txt", "vec"))
        _write_lines(texts, [f"{LABEL}{self.labels[row]} {lines[row]}" for row in kept])
        self._write_first_weights(vectors, {word for row in kept for word in lines[row].split(" ") if word})
        try:
            model = fasttext.train_supervised(
                str(texts),
                dim=WIDTH,
                epoch=self.epochs,
                thread=1,
                seed=self.seed,
                pretrainedVectors=str(vectors),
                verbose=0,
            )
        except RuntimeError as error:
            raise ComputeError(
                f"fastText could not be trained on quality.annotations ({self.name}: {error}); lower quality.epochs "
                "or set quality.scorer: probe"
            ) from None
        if self.fold is None:
            model.save_model(str(self.model))
            return []
        labels, _ = model.predict([lines[row] for row in self.held_out])
        return [float(label[0].removeprefix(LABEL)) for label in labels]

    def _write_first_weights(self, path: Path, words: set[str]) -> None:
        """Write a vector for each word, drawn as fastText draws its own."""
        known = sorted(words | {END_OF_LINE})
        drawn = generator(self.seed, "fastText").uniform(-1 / WIDTH, 1 / WIDTH, size=(len(known), WIDTH))
        rows = (" ".join([word, *(f"{value:.8g}" for value in row)]) for word, row in zip(known, drawn, strict=True))
        _write_lines(path, [f"{len(known)} {WIDTH}", *rows])


def model_file(dimension: str) -> str:
    """Return the name of the file of a dimension's model."""
    return f"{dimension}.bin"


def fit_fasttext(
    annotations: Annotations,
    settings: Quality,
    workers: int | None,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> list[HeldOut]:
    """Train a classifier a dimension and write ``DIMENSION.bin``; tell how those do that were trained without a fold.

    Parameters
    ----------
    workers
        Processes that train at once; None: as many as cores and memory allow.

    Raises
    ------
    ComputeError
        fastText gave up.
    TransientError
        It ended its process.
    """
    fold_of = assign_folds(len(annotations.texts), settings)
    predicted = np.empty_like(annotations.scores)
    with scratch_folder(out / "training") as scratch:
        lines = scratch / "lines"
        _write_lines(lines, [_without_labels(prepare_for_fasttext(text)) for text in annotations.texts])
        units = [
            TrainClassifier(
                dimension,
                lines,
                tuple(annotations.scores[:, column].astype(int).tolist()),
                fold,
                tuple(np.flatnonzero(fold_of == fold).tolist()) if fold is not None else (),
                scratch,
                settings.epochs,
                settings.seed,
            )
            for column, dimension in enumerate(annotations.dimensions)
            for fold in (None, *range(settings.folds))
        ]
        done = LocalExecutor(workers).map(units, Resources(MEMORY, threads=1), progress)
        with closing(done):
            for unit, scores in done:
                if unit.fold is None:
                    with atomic_file(out / unit.model.name) as temporary:
                        shutil.copyfile(unit.model, temporary)
                else:
                    predicted[list(unit.held_out), annotations.dimensions.index(unit.dimension)] = scores
    return compare_held_out(annotations.dimensions, predicted, annotations.scores, settings)


def _without_labels(line: str) -> str:
    """Return a line without words that fastText would take for its label."""
    return " ".join(word for word in line.split(" ") if not word.startswith(LABEL))


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
