"""Tell: what came of the models that a search asked for, checked and kept.

What belongs here: from a table that somebody has filled to answers in the lake. What they are asked is `asking`.
"""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from climb_assets.errors import ArgumentError, MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import TOLD
from climb_assets.search.asking import COLUMNS, DIVERGED, ID
from climb_assets.search.questions import Answer, Question, open_questions, put_answers, read_answers, read_questions
from climb_assets.store.artifacts import canonical_json, sha256_file, sha256_text

YES, NO = {"true", "1", "yes"}, {"", "false", "0", "no"}
LONGEST = 200  # characters of a name or a version


@dataclass(frozen=True)
class Told:
    """How many answers were taken, and how many of them take the place of others."""

    answers: int
    replaced: int


def tell(
    climb: Materializer,
    results: Path | Mapping[str, Mapping[str, float] | None],
    by: str,
    metric: str | Mapping[str, str],
    *,
    replace: bool = False,
) -> Told:
    """Take what was measured on the models of `ask` into the lake: all of it, or nothing.

    Parameters
    ----------
    results
        Its ``metrics.csv``, with a loss in bits per byte in the cell of each model and task, ``diverged`` true where a
        training blew up; or by the id of each question the losses of its tasks, None where it blew up.
    by
        Who has measured.
    metric
        By which version of its metric each task was measured: one text for all, or one for each task.
    replace
        Whether answers that are there already may be replaced by others.

    Raises
    ------
    ArgumentError
        The file cannot be read, it is not said who has measured, or by what, a row is missing, unknown or another's, a
        loss is missing or no number, another metric was told of earlier, or an answer is there already and is another.
    MissingArtifact
        Nothing was asked for.
    """
    with climb.store.in_use():
        while (told := _take(climb, results, by, metric, replace=replace)) is None:
            pass
        return told


def _take(
    climb: Materializer,
    results: Path | Mapping[str, Mapping[str, float] | None],
    by: str,
    metric: str | Mapping[str, str],
    *,
    replace: bool,
) -> Told | None:
    """Return what was taken; None where somebody else told something meanwhile, so that all is to be checked again."""
    asked = read_questions(climb)
    questions = {question.id: question for one in asked for question in one.questions}
    if not questions:
        raise MissingArtifact("nothing was asked for; set proxy.trainer to ask and run `climb up`, then `climb ask`")
    where = str(results) if isinstance(results, Path) else "what is told"
    rows = list(_read(results) if isinstance(results, Path) else map(_as_row, results.items()))
    answers = [_answer(row, questions, by, metric, where) for row in rows]
    told = climb.store.current(TOLD)
    waiting = {question.id for one in open_questions(asked, told) for question in one.questions}
    for missing in sorted(waiting - {answer.question.id for answer in answers}):
        raise ArgumentError(f"{where} has no row {missing}, which is asked for; fill every row of `climb ask`")
    before = {id_: rows for id_, rows in read_answers(told).items() if id_ in questions}
    _require_one_metric(answers, before)
    changed = [one for one in answers if one.question.id in before and one.rows() != before[one.question.id]]
    if changed and not replace:
        raise ArgumentError(
            f"row {changed[0].question.id} was told before, and otherwise; what rests on it would be made again: give "
            "--replace if the new one is right"
        )
    version = sha256_file(results) if isinstance(results, Path) else sha256_text(canonical_json(rows))
    return Told(len(answers), len(changed)) if put_answers(climb.store, told, answers, version) else None


def _as_row(result: tuple[str, Mapping[str, float] | None]) -> dict[str, str]:
    """Return the row that a table would have."""
    question, losses = result
    return {ID: question} | (
        {DIVERGED: "true"} if losses is None else {task: str(loss) for task, loss in losses.items()}
    )


def _read(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by its columns, each with a name that no other row has."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArgumentError(
            f"{path} cannot be read as comma-separated UTF-8 ({error}); give `climb ask`'s metrics.csv"
        ) from None
    names = rows[0] if rows else []
    if ID not in names or len(set(names)) != len(names):
        raise ArgumentError(f"{path} needs one column {ID} and no name twice; fill the metrics.csv of `climb ask`")
    seen: set[str] = set()
    for number, row in enumerate(rows[1:], 2):
        if not any(map(str.strip, row)):
            continue
        if len(row) != len(names):
            raise ArgumentError(f"{path}, line {number} has {len(row)} cells and not {len(names)}; correct it")
        found = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
        if found[ID] in seen:
            raise ArgumentError(f"{path} has row {found[ID]} twice; leave one of the two")
        seen.add(found[ID])
        yield found


def _answer(
    row: Mapping[str, str], questions: Mapping[str, Question], by: str, metric: str | Mapping[str, str], what: str
) -> Answer:
    """Return what a row says, checked against its question."""
    where = f"{what}, row {row[ID]}"
    question = questions.get(row[ID])
    if question is None:
        raise ArgumentError(
            f"{where} was not asked for, or not with today's settings; run `climb up` and `climb ask` again"
        )
    for name in COLUMNS:
        if row.get(name, "") not in ("", str(getattr(question, name))):
            wanted = getattr(question, name)
            raise ArgumentError(f"{where} has {name} {row[name]} and not {wanted}; it is another's row")
    if row.get(DIVERGED, "").lower() not in YES | NO:
        raise ArgumentError(f"{where} has {row[DIVERGED]!r} for diverged; write true or leave it empty")
    diverged = row.get(DIVERGED, "").lower() in YES
    losses = {} if diverged else {task: _loss(row.get(task, ""), task, where) for task in question.tasks}
    versions = {task: metric if isinstance(metric, str) else metric.get(task, "") for task in question.tasks}
    said = {"who has measured": by} | {f"the metric of {task}": text for task, text in versions.items()}
    for asked_for, text in said.items():
        if not text.strip() or len(text) > LONGEST:
            raise ArgumentError(f"say {asked_for} in at most {LONGEST} characters")
    return Answer(question, diverged, losses, by, versions)


def _loss(cell: str, task: str, where: str) -> float:
    try:
        loss = float(cell)
    except ValueError:
        what = f"{cell!r}" if cell else "nothing"
        raise ArgumentError(f"{where} has {what} for {task}; write its loss in bits per byte") from None
    if not math.isfinite(loss) or loss < 0:
        cure = f"write true for {DIVERGED} if it diverged"
        raise ArgumentError(f"{where} has {cell} for {task}, which is no loss; {cure}")
    return loss


def _require_one_metric(answers: list[Answer], before: Mapping[str, list[dict[str, str]]]) -> None:
    """Check that no task is measured by two metrics, whose losses no search can compare."""
    new = {answer.question.id for answer in answers}
    known = {row["task"]: row["metric"] for id_, rows in before.items() if id_ not in new for row in rows}
    for answer in answers:
        for task, version in answer.metric.items():
            if known.setdefault(task, version) != version:
                raise ArgumentError(
                    f"{task} was told by metric {known[task]!r} before and now by {version!r}; losses of two metrics "
                    "cannot be compared, so measure all by one, and give all rows with --replace"
                )
