"""The tokens of each domain as plain files, for trainers that know nothing of a training index.

What belongs here: writing them, once for all models that read the same text. What else a trainer is handed is
`job_folder`.

Of each domain there are ``domain-00000.tokens.npy``, its documents one after the other in the order in which they are
to be read, and ``domain-00000.documents.npy``, int64 (documents + 1,): where each begins, and where the last one ends.
"""

from pathlib import Path

import numpy as np

from climb_assets.graph.code_identity import code_of
from climb_assets.randomness import generator
from climb_assets.store.artifacts import Artifact, Draft, Order
from climb_assets.store.files import atomic_file, write_array
from climb_assets.store.store import Store
from climb_assets.training.proxy_orders import ProxyOrders
from climb_assets.training.sequence_plan import simulate_supply
from climb_assets.training.token_index import TrainingIndex

DOMAIN_TOKENS = "domain_tokens"  # a store beside that of the models
WRITE = "climb_assets.training.domain_tokens:put_domain_tokens"


def tokens_file(domain: int) -> str:
    """Return the name of the file of a domain's tokens."""
    return f"domain-{domain:05d}.tokens.npy"


def documents_file(domain: int) -> str:
    """Return the name of the file of where a domain's documents begin."""
    return f"domain-{domain:05d}.documents.npy"


def put_domain_tokens(store: Store, orders: ProxyOrders, index: TrainingIndex) -> Artifact:
    """Return the token files that a model is to be trained on, written now unless they are there.

    They are the part of each domain that `proxy.simulate_epochs` leaves, in the order of the model's repeat: the first
    epoch of climb's own loop. Weights are not in them, so all mixtures of a repeat share them.
    """
    made = orders.of_model().config
    training = orders.training
    trained = {"trained_tokens": training.trained_tokens}
    config = {"seed": made["seed"], "supply": made["supply"] | trained if "supply" in made else None}
    order = Order(DOMAIN_TOKENS, None, {"training_tokens": orders.data.version}, config, _CODE)

    def write(draft: Draft) -> None:
        if "supply" in made:
            supply = simulate_supply(index, training, **made["supply"])
        else:
            supply = [index.documents(domain) for domain in range(len(index.supply))]
        for domain, documents in enumerate(supply):
            shuffled = documents[generator(made["seed"], "order", domain).permutation(len(documents))]
            _write_domain(draft.path, domain, shuffled, index)
        draft.summary |= {"tokens": [int(documents[:, 3].sum()) for documents in supply]}

    artifact, _ = store.put(order, write)
    return artifact


def _write_domain(out: Path, domain: int, spans: np.ndarray, index: TrainingIndex) -> None:
    """Write one domain, given as spans int64 (documents, 4) in the order in which they are read."""
    starts = np.concatenate([[0], np.cumsum(spans[:, 3])]).astype("<i8")
    with atomic_file(out / tokens_file(domain)) as temporary:
        tokens = np.lib.format.open_memmap(temporary, "w+", index.tokens[0].dtype, (int(starts[-1]),))
        for place, (_, shard, first, length) in zip(starts.tolist(), spans.tolist(), strict=False):
            tokens[place : place + length] = index.tokens[shard][first : first + length]
        tokens.flush()
        del tokens
    write_array(out / documents_file(domain), starts)


# What this process has imported: should the file change under it, the old code's work must not bear the new hash.
_CODE = code_of(WRITE)
