"""One proxy as a unit of work: picklable, and without harm when it is run twice or late.

What belongs here: what a worker is handed. What it does is `proxy_training` and `proxy_scoring`.
"""

from dataclasses import dataclass

from climb_assets.errors import ComputeError
from climb_assets.graph.code_identity import code_of
from climb_assets.store.store import Store
from climb_assets.training.proxy_orders import EVALUATE, TRAIN, ProxyOrders
from climb_assets.training.proxy_scoring import score_proxy
from climb_assets.training.proxy_training import train_proxy


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
            The source code is no longer the one that this process has imported, or what `train_proxy` raises.
        """
        conditions = self.orders.conditions
        for imported, asked in ((_TRAIN_CODE, conditions.train_code), (_EVALUATE_CODE, conditions.evaluate_code)):
            if asked != imported:
                raise ComputeError("the source code of the proxies was changed while a swarm is at work; start again")
        score_proxy(self.store, self.orders, train_proxy(self.store, self.orders))


# What this worker has imported, in case the files change under it.
_TRAIN_CODE, _EVALUATE_CODE = code_of(TRAIN), code_of(EVALUATE)
