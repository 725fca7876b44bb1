"""One proxy, or one kept model, as a unit of work: picklable, and without harm when it is run twice or late.

What belongs here: what a worker is handed, and who does it. That is `proxy_training` and `proxy_scoring`, or, where the
user has a trainer, `command_training` and `reported`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from climb_assets.errors import ComputeError, MissingArtifact
from climb_assets.graph.code_identity import code_of
from climb_assets.store.store import Store
from climb_assets.training.command_training import train_by_command
from climb_assets.training.proxy_orders import (
    COMMAND,
    EVALUATE,
    MODELS,
    REPORT,
    TRAIN,
    ProxyOrders,
    scoring_code,
    training_code,
)
from climb_assets.training.proxy_scoring import score_proxy
from climb_assets.training.proxy_training import train_proxy
from climb_assets.training.reported import score_reported


@dataclass(frozen=True)
class ProxyUnit:
    """A proxy to train unless its model is kept, and to score on the tasks that have no scores of it.

    Parameters
    ----------
    store
        Where it reads and commits.
    """

    store: Store
    orders: ProxyOrders

    @property
    def name(self) -> str:
        """What people read of it."""
        return f"{self.orders.proxy.key}, repeat {self.orders.proxy.repeat}"

    def run(self) -> None:
        """Do the work in this process.

        Raises
        ------
        ComputeError
            The source code is no longer the one that this process has imported, or what `train_proxy` or
            `train_by_command` raises.
        """
        conditions, training = self.orders.conditions, self.orders.training
        _require_code(conditions.train_code, _CODE[training_code(training)])
        _require_code(conditions.evaluate_code, _CODE[scoring_code(training)])
        train = train_proxy if training.trainer is None else train_by_command
        score = score_reported if training.measured_by_trainer else score_proxy
        score(self.store, self.orders, train(self.store, self.orders))


@dataclass(frozen=True)
class ScoringUnit:
    """A kept model to score on the tasks that have no scores of it, whatever it was trained on.

    Parameters
    ----------
    store
        Where it reads and commits.
    model
        Fingerprint of the model.
    """

    store: Store
    orders: ProxyOrders
    model: str

    @property
    def name(self) -> str:
        """What people read of it."""
        return f"model {self.model[:12]}"

    def run(self) -> None:
        """Do the work in this process.

        Raises
        ------
        ComputeError
            The source code is no longer the one that this process has imported, or what `score_proxy` raises.
        MissingArtifact
            The model is gone.
        """
        _require_code(self.orders.conditions.evaluate_code, _CODE[EVALUATE])
        model = self.store.find(MODELS, None, self.model)
        if model is None:
            raise MissingArtifact(f"{self.name} is gone; start again")
        score_proxy(self.store, self.orders, model)


def _require_code(asked: Mapping[str, str], imported: Mapping[str, str]) -> None:
    if asked != imported:
        raise ComputeError("the source code of the proxies was changed while a swarm is at work; start again")


# What this worker has imported, in case the files change under it.
_CODE = {function: code_of(function) for function in (TRAIN, COMMAND, EVALUATE, REPORT)}
