"""Training one proxy by a command of the user's and committing it.

What belongs here: running the command, taking it up again, and what is taken of what it leaves. What it is handed is
`job_folder`, what it reports `reported`.
"""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from climb_assets.config_trainer import Trainer
from climb_assets.corpus.outside_files import WEIGHTS_INDEX, check_model_folder, name_weights
from climb_assets.corpus.raw_files import digest_files
from climb_assets.environment import resolve_device
from climb_assets.errors import ClimbError, ComputeError
from climb_assets.executor.capacity import THREADS, thread_count
from climb_assets.executor.command import Command, run_command
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.store.files import give_usual_mode
from climb_assets.store.store import Store
from climb_assets.training.domain_tokens import put_domain_tokens
from climb_assets.training.job_folder import Job, write_job
from climb_assets.training.model import check_foreign_model
from climb_assets.training.proxy_orders import ProxyOrders
from climb_assets.training.proxy_training import open_index
from climb_assets.training.reported import read_metrics, require_tokens, write_reported

WORKER_VARIABLES = ("PYTHONPATH", THREADS)  # variables of a worker that are no business of a command
TAIL = 600  # characters of what it has printed that an error shows
DESCRIBED = (
    "config.json",
    "generation_config.json",
    WEIGHTS_INDEX,
)  # what is taken of a Hugging Face folder beside its weights
CURE = "write what `save_pretrained` of transformers writes, in safetensors"


def train_by_command(store: Store, orders: ProxyOrders) -> Artifact:
    """Return the model of a proxy, trained by the command and committed now unless the store has it.

    The folder of the job stays until the model is committed, so a command that is run again, after a failure or when a
    process died, finds what it left under ``checkpoints``.

    Raises
    ------
    ComputeError
        The command failed as often as it may, or what it gives back is not what was asked for.
    """
    order, trainer = orders.of_model(), orders.training.trainer
    assert isinstance(trainer, Trainer), "a proxy without a command is trained by climb's own loop"

    def write(draft: Draft) -> None:
        index = open_index(orders.data.folder, tuple(sorted(orders.data.tokens.items())))
        tokens = put_domain_tokens(store, orders, index)
        job = write_job(store.working_folder(order), orders, trainer, tokens)
        try:
            seconds, attempts = _run(job, trainer)
            _require_same_files(trainer, orders.conditions.trainer_files)
            asked = orders.tasks if trainer.scored_by == "trainer" else {}
            metrics = {task: trainer.metrics.get(task, task) for task in asked}
            reported = read_metrics(job.metrics, metrics, job.domains)
            require_tokens(reported, orders.proxy.weights, orders.training)
            write_reported(draft, orders, reported, job.supply)
            if trainer.scored_by == "climb" or job.model.is_dir():
                _take_model(job.model, draft.path, orders.conditions.tokenizer)
            if trainer.scored_by == "climb" and not reported.diverged:
                check_foreign_model(draft.path, orders.conditions.vocabulary, orders.training.sequence)
        except ClimbError as error:
            who = f"{Path(trainer.command[0]).name} on mixture {orders.proxy.key}, repeat {orders.proxy.repeat}"
            raise ComputeError(f"{who}: {error}; its folder is {job.folder}") from None
        draft.summary |= {"domain_tokens": tokens.data_version}
        draft.run |= {
            "seconds": seconds,
            "attempts": attempts,
            "tokens_per_second": draft.summary["tokens"] / seconds,
            "threads": thread_count(),
            "device": resolve_device(orders.conditions.runtime.device),
            "printed": _tail(job.folder / "stdout.txt"),
        }

    model, _ = store.put(order, write)
    store.remove_working_folder(order)
    return model


def _run(job: Job, trainer: Trainer) -> tuple[float, int]:
    """Run the command until it succeeds; return the seconds of that attempt and how many there were."""
    inherited = {name: value for name, value in os.environ.items() if name not in WORKER_VARIABLES}
    # A folder among the trainer's files counts by its content, which compiled modules must not change.
    environment = inherited | {"PYTHONDONTWRITEBYTECODE": "1"} | trainer.environment
    stdout, stderr = (job.folder / f"{name}.txt" for name in ("stdout", "stderr"))
    command = Command([*trainer.command, str(job.description)], trainer.folder, environment, stdout, stderr)
    for attempt in range(1, trainer.attempts + 1):
        job.metrics.unlink(missing_ok=True)
        shutil.rmtree(job.model, ignore_errors=True)
        began = time.perf_counter()
        failure = run_command(command, trainer.seconds)
        if failure is None:
            return time.perf_counter() - began, attempt
    said = _tail(stderr) or _tail(stdout)
    times = "" if trainer.attempts == 1 else f", the last of {trainer.attempts} attempts"
    raise ComputeError(f"it {failure}{times}; " + (f"it ended with: {said}" if said else "it printed nothing"))


def _require_same_files(trainer: Trainer, versions: Mapping[str, str]) -> None:
    """Check that the files of a trainer are those by which its model is named."""
    named = trainer.named_files
    for place, version in versions.items():
        if place not in named or digest_files(named[place]) != version:
            raise ComputeError(f"{named.get(place, place)} was changed while models were trained; run `climb up` again")


def _tail(path: Path) -> str:
    """Return the end of what was printed into a file."""
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL))
        return stream.read().decode(errors="replace").strip()


def _take_model(folder: Path, out: Path, tokenizer: Path) -> None:
    """Copy what `transformers` needs of a Hugging Face folder, after a look at whether it is whole."""
    check_model_folder(folder, "out.model", CURE)
    described = [folder / name for name in DESCRIBED]
    for path in [*filter(Path.exists, described), *name_weights(folder, "out.model", CURE)]:
        shutil.copyfile(path, out / path.name)
    give_usual_mode(out)
    shutil.copyfile(tokenizer, out / "tokenizer.json")
