"""DoReMi over the lake: its two models, trained once and kept.

What belongs here: what DoReMi is made from and where it goes. The algorithm is `climb_assets.training.doremi`; the
weights are a baseline of the search.
"""

from climb_assets.errors import ComputeError
from climb_assets.graph.code_identity import code_of
from climb_assets.graph.materializer import Materializer
from climb_assets.one_thread import on_one_thread
from climb_assets.store.artifacts import Artifact, Draft, Order
from climb_assets.training.checkpoint import Checkpoint
from climb_assets.training.doremi import choose_mixtures, reweight_domains, write_reweighting
from climb_assets.training.measurement import conditions_of, training_data
from climb_assets.training.model import load_model, save_model
from climb_assets.training.proxy_orders import Proxy, ProxyOrders
from climb_assets.training.proxy_training import make_model, plan_order
from climb_assets.training.swarm import ProxyOutcome, Swarm
from climb_assets.training.token_index import load_training_index

DOREMI = "doremi_models"  # a store of its own, beside that of the proxies
RUN = "doremi.parquet"
REWEIGH = "climb_assets.training.reweighting:reweigh"  # the code that DoReMi's models answer for


def reweigh(materializer: Materializer) -> tuple[Artifact, ProxyOutcome]:
    """Return DoReMi's run over the lake's domains, and the reference model that it leans on.

    Both are kept: every objective asks for them and none trains them again. The reference is a proxy like any other.

    Returns
    -------
    The run, an artefact with its proxy and in `RUN` the weights of each step; and the outcome of the reference.

    Raises
    ------
    ComputeError
        One of the two models diverged.
    """
    config, data = materializer.config, training_data(materializer)
    conditions = conditions_of(materializer, config.proxy)
    index = load_training_index(data.folder, data.tokens)
    as_it_is, even = (Proxy(tuple(weights.tolist())) for weights in choose_mixtures(index))
    (reference,) = Swarm(materializer.store, data, conditions).run([as_it_is], config.proxy, {})
    if reference.diverged:
        raise ComputeError("DoReMi's reference model diverged; lower proxy.learning_rate")
    plain = ProxyOrders(data, conditions, config.proxy, {}, even).of_model()
    order = Order(
        DOREMI,
        None,
        {**plain.inputs, "proxy_models": reference.model.data_version},
        {**plain.config, "doremi": config.baselines.doremi.model_dump(mode="json")},
        _CODE,
        conditions.environment,
        conditions.counted,
    )

    def write(draft: Draft) -> None:
        plan = plan_order(order, index, config.proxy)
        tokenizer, device = conditions.tokenizer, config.runtime.device
        proxy = make_model(config.proxy, conditions.vocabulary, tokenizer, order.config["seed"], device)
        against = load_model(reference.model.folder()).to(proxy.device)  # type: ignore[arg-type]
        unfinished = materializer.store.working_folder(order)
        checkpoint = Checkpoint(unfinished, draft.path, config.runtime.checkpoint_seconds)
        with on_one_thread():
            run = reweight_domains(proxy, against, plan, config.proxy, config.baselines.doremi, checkpoint)
        write_reweighting(draft.path / RUN, run)
        save_model(proxy, tokenizer, draft.path)

    found, _ = materializer.store.put(order, write)
    materializer.store.remove_working_folder(order)
    return found, reference


# What this process has imported: should the files change under it, the old code's work must not bear the new hash.
_CODE = code_of(REWEIGH)
