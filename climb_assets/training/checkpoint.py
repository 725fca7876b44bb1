"""The state of an unfinished run on disk, so that a crash costs seconds and not the run.

What belongs here: writing and reading that state, and the weights that are kept on the way. When is `train`'s business.

Everything is safetensors: weights, both moments of AdamW and the curve, in one file that is replaced as a whole.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from climb_assets.store.files import atomic_file, give_usual_mode

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

STATE = "unfinished.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # of torch.optim.AdamW


@dataclass
class Checkpoint:
    """The state of one run in a folder.

    Parameters
    ----------
    folder
        Where the state goes. It outlives the run until the result is committed.
    snapshots
        Where the weights go that are kept on the way.
    seconds
        Time between two writings.
    """

    folder: Path
    snapshots: Path
    seconds: float
    _written: float = field(init=False, default_factory=time.monotonic)

    def resume(self, model: "PreTrainedModel", optimiser: "torch.optim.AdamW") -> tuple[list[Any], int | None]:
        """Put model and optimiser where the last writing found them; return the curve and the rows of a pass.

        A file that was never finished or is damaged counts for nothing: the run starts anew.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(self.folder / STATE)
        except (FileNotFoundError, SafetensorError):
            return [], None
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(state[f"weight.{name}"])
                optimiser.state[parameter] = {
                    moment: state[f"{moment}.{name}"].to(parameter.device) for moment in MOMENTS
                }
        curve: list[Any] = state["curve"].tolist()
        return curve, int(state["rows"].item())

    def save_if_due(
        self, model: "PreTrainedModel", optimiser: "torch.optim.AdamW", curve: list[Any], rows: int
    ) -> None:
        """Write the state if the last writing is `seconds` ago.

        Parameters
        ----------
        curve
            What each step so far left: its loss, or nested lists of numbers of one shape.
        rows
            Sequences in one pass.
        """
        import torch

        if time.monotonic() - self._written < self.seconds:
            return
        state = {"curve": torch.tensor(curve, dtype=torch.float64), "rows": torch.tensor(rows)}
        for name, parameter in model.named_parameters():
            state[f"weight.{name}"] = parameter.detach()
            state |= {f"{moment}.{name}": optimiser.state[parameter][moment] for moment in MOMENTS}
        _write(self.folder / STATE, state)
        self._written = time.monotonic()


def snapshot_name(tokens: int) -> str:
    """Return the file of the weights that were kept after so many tokens."""
    return f"snapshot-{tokens:014d}.safetensors"


def save_snapshot(model: "PreTrainedModel", folder: Path, tokens: int) -> None:
    """Keep the weights as they are now."""
    _write(folder / snapshot_name(tokens), {name: parameter.detach() for name, parameter in model.named_parameters()})


def _write(path: Path, tensors: Mapping[str, "torch.Tensor"]) -> None:
    """Write tensors so that the file is there whole, on the disk, or not at all."""
    from safetensors.torch import save_file

    with atomic_file(path) as temporary:
        save_file({name: tensor.cpu() for name, tensor in tensors.items()}, temporary)
        give_usual_mode(temporary)


def load_snapshot(model: "PreTrainedModel", folder: Path, tokens: int) -> None:
    """Put the weights that were kept after so many tokens into the model."""
    import torch
    from safetensors.torch import load_file

    kept = load_file(folder / snapshot_name(tokens))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(kept[name])
