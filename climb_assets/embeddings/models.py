"""The models behind the encoder: what makes a unit vector of the tokens of a text.

What belongs here: one class a backend (``encoder.backend``), called with the arrays of a batch. Loading a model of
sentence-transformers belongs to `encoder`, and what a static model is made from to `static`.

OpenVINO's int8. Each row of a weight matrix is rounded to int8 with a scale of its own, and so is what it is multiplied
with, at run time, in groups: no texts are needed to find scales, so the model follows from the weights alone. All else,
attention too, is computed in float32 whatever the processor, so that one precision means one arithmetic.
"""

import math
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from climb_assets.embeddings.encoder_tokenizer import Features
from climb_assets.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
LARGEST = 127  # of int8, symmetric


class TorchModel:
    """A model of sentence-transformers, computed by PyTorch on its device in its precision."""

    def __init__(self, model: "SentenceTransformer") -> None:
        self._model = model

    def __call__(self, features: Features) -> NDArray[np.float32]:
        """Return unit vectors (texts, dimension)."""
        import torch

        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array).to(self._model.device) for name, array in features.items()}
            vectors: NDArray[np.float32] = _unit_vectors(self._model, tensors).cpu().numpy()
        return vectors


class OpenvinoModel:
    """The same model as a graph of OpenVINO, on the CPU.

    Parameters
    ----------
    names
        What the model takes, in any order.
    precision
        float32, bfloat16 or int8: see above.
    threads
        Batches that are computed at once, each on a thread of its own.

    Raises
    ------
    ConfigError
        OpenVINO cannot compute this model.
    """

    def __init__(self, model: "SentenceTransformer", names: tuple[str, ...], precision: str, threads: int) -> None:
        import openvino

        graph = _convert(model, names)
        group = quantise_weights(graph) if precision == "int8" else 0
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # other workers would be pinned to the same cores
        }
        self._compiled = openvino.Core().compile_model(graph, "CPU", settings)
        self._names = names
        self._of_thread = threading.local()

    def __call__(self, features: Features) -> NDArray[np.float32]:
        """Return unit vectors (texts, dimension)."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        outputs = self._of_thread.request.infer([features[name] for name in self._names])
        return np.array(outputs[0], np.float32)  # its memory is that of the next batch


class StaticModel:
    """A vector for each token, whatever stands around it; that of a text is their mean.

    Parameters
    ----------
    table
        float32 (tokens of the vocabulary, dimension), see `climb_assets.embeddings.static.distil`.
    """

    def __init__(self, table: NDArray[np.float32]) -> None:
        self._table = table

    def __call__(self, features: Features) -> NDArray[np.float32]:
        """Return unit vectors (texts, dimension); the sum of a text's vectors points where their mean does."""
        import torch

        mask = torch.from_numpy(features["attention_mask"]).float()
        ids, table = torch.from_numpy(features["input_ids"]), torch.from_numpy(self._table)
        sums = torch.nn.functional.embedding_bag(ids, table, mode="sum", per_sample_weights=mask)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(sums, dim=1).numpy()
        return vectors


def _unit_vectors(model: "torch.nn.Module", tensors: "dict[str, torch.Tensor]") -> "torch.Tensor":
    import torch

    return torch.nn.functional.normalize(model(tensors)["sentence_embedding"].float(), dim=1)


def _convert(model: "SentenceTransformer", names: tuple[str, ...]) -> Any:
    """Return a model as a graph of OpenVINO, for any number of texts and tokens.

    This asks OpenVINO's frontend itself: its `convert_model` does the same, and tells its makers about it.
    """
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from transformers.utils import logging

    class Positional(torch.nn.Module):
        """The model with its inputs by position, as a graph has them."""

        def __init__(self) -> None:
            super().__init__()
            self.steps = torch.nn.Sequential(*model)

        def forward(self, *tensors: "torch.Tensor") -> "torch.Tensor":
            return _unit_vectors(self.steps, dict(zip(names, tensors, strict=True)))

    told = logging.get_verbosity()
    example = dict(model.tokenizer(["a", "a a a"], padding=True, return_tensors="pt"))
    try:
        logging.set_verbosity_error()
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what of the trace holds for this example alone: nothing, by the tests
            traced = torch.jit.trace(Positional().eval(), tuple(example[n] for n in names), strict=False)
            decoder = TorchScriptPythonDecoder(traced)
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(
            f"encoder.backend: OpenVINO cannot compute this model ({reason}); use encoder.backend: torch"
        ) from None
    finally:
        logging.set_verbosity(told)


def quantise_weights(graph: Any) -> int:
    """Round the weights of matrix products to int8, a scale for each row that makes an output.

    Returns
    -------
    The number of values that are multiplied under one scale at run time: it divides the inputs of all products, else
    OpenVINO would compute those in float32.
    """
    import openvino.opset13 as operations

    widths = []
    for product in graph.get_ordered_ops():
        if product.get_type_name() != "MatMul" or product.input_value(1).get_node().get_type_name() != "Constant":
            continue
        weights = product.input_value(1).get_node().data.astype(np.float32)
        axis = weights.ndim - (1 if product.get_attributes()["transpose_b"] else 2)
        scales = np.abs(weights).max(axis=axis, keepdims=True) / LARGEST
        scales[scales == 0] = 1  # of a row of zeros
        rounded = operations.constant(np.rint(weights / scales).astype(np.int8))
        restored = operations.multiply(operations.convert(rounded, "f32"), operations.constant(scales))
        product.input(1).replace_source_output(restored.output(0))
        widths.append(weights.shape[axis])
    graph.validate_nodes_and_infer_types()
    return math.gcd(*widths)
