"""The state of an unfinished run on disk, so that a crash costs seconds and not the run.

What belongs here: writing and reading that state, and the weights that are kept on the way. When is `train`'s business.

Everything is safetensors: weights, both moments of AdamW and the loss curve, in one file that is replaced as a whole.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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
        Where the run's files go.
    seconds
        Time between two writings.
    """

    folder: Path
    seconds: float
    _written: float = field(init=False, default_factory=time.monotonic)

    def resume(self, model: "PreTrainedModel", optimiser: "torch.optim.AdamW") -> list[float]:
        """Put model and optimiser where the last writing found them; return the loss curve up to there.

        A file that was never finished or is damaged counts for nothing: the run starts anew.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(self.folder / STATE)
        except (FileNotFoundError, SafetensorError):
            return []
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(state[f"weight.{name}"])
                optimiser.state[parameter] = {
                    moment: state[f"{moment}.{name}"].to(parameter.device) for moment in MOMENTS
                }
        curve: list[float] = state["curve"].tolist()
        return curve

    def save_if_due(self, model: "PreTrainedModel", optimiser: "torch.optim.AdamW", curve: list[float]) -> None:
        """Write the state if the last writing is `seconds` ago."""
        import torch
        from safetensors.torch import save_file

        if time.monotonic() - self._written < self.seconds:
            return
        state = {"curve": torch.tensor(curve, dtype=torch.float64)}
        for name, parameter in model.named_parameters():
            state[f"weight.{name}"] = parameter.detach()
            state |= {f"{moment}.{name}": optimiser.state[parameter][moment] for moment in MOMENTS}
        temporary = self.folder / f".{STATE}.tmp"
        save_file({name: tensor.cpu() for name, tensor in state.items()}, temporary)
        temporary.replace(self.folder / STATE)
        self._written = time.monotonic()

    def discard(self) -> None:
        """Remove the state of a run that has ended."""
        (self.folder / STATE).unlink(missing_ok=True)


def snapshot_name(tokens: int) -> str:
    """Return the file of the weights that were kept after so many tokens."""
    return f"snapshot-{tokens:014d}.safetensors"


def save_snapshot(model: "PreTrainedModel", folder: Path, tokens: int) -> None:
    """Keep the weights as they are now."""
    from safetensors.torch import save_file

    temporary = folder / f".{snapshot_name(tokens)}.tmp"
    save_file({name: parameter.detach().cpu() for name, parameter in model.named_parameters()}, temporary)
    temporary.replace(folder / snapshot_name(tokens))


def load_snapshot(model: "PreTrainedModel", folder: Path, tokens: int) -> None:
    """Put the weights that were kept after so many tokens into the model."""
    import torch
    from safetensors.torch import load_file

    kept = load_file(folder / snapshot_name(tokens))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(kept[name])
