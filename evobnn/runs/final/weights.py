"""A seed's final weights on disk: tensors, and among the metadata a digest and what is needed to use them."""

from __future__ import annotations

from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from evobnn._jsonl import NewerError
from evobnn._seals import UNSEALED, seal_tensors, text_in, verify_tensors, with_text
from evobnn.errors import RunError, message
from evobnn.runs.final import metadata as beside
from evobnn.runs.final.folder import WEIGHTS, SeedFolder
from evobnn.runs.final.metadata import Metadata
from evobnn.snapshot import write_bytes


def write_weights(home: SeedFolder, tensors: Mapping[str, Tensor], metadata: Metadata) -> None:
    """Write a seed's final weights; equal ones give equal bytes."""
    packed = save({name: value.cpu().contiguous() for name, value in tensors.items()}, metadata=UNSEALED)
    write_bytes(home.path / WEIGHTS, seal_tensors(with_text(packed, beside.NAME, metadata.text())))


def read_weights(home: SeedFolder) -> tuple[dict[str, Tensor], Metadata | None]:
    """Return a seed's final weights, and what stands beside them: None in a file from before that was written.

    Raises:
        RunError: the file is not what was written, or is of a newer version.
    """
    path = home.path / WEIGHTS
    try:
        data = path.read_bytes()
        verify_tensors(data, due=home.sealed)
        text = text_in(data, beside.NAME)
        return load(data), None if text is None else beside.read(text, path)
    except NewerError:
        raise
    except (OSError, SafetensorError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _not_these(home, error) from error


def weights_of(home: SeedFolder) -> dict[str, Tensor]:
    """Return a seed's final weights alone; raise RunError as `read_weights`."""
    return read_weights(home)[0]


def put_into(network: nn.Module, tensors: Mapping[str, Tensor], home: SeedFolder) -> None:
    """Put a seed's final weights into the network; raise RunError where they are of another one."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise _not_these(home, error) from error


def _not_these(home: SeedFolder, error: Exception) -> RunError:
    do = f"Put the file back, or remove {home.path} to train this seed anew."
    return RunError(message(f"the weights of this network in {home.path / WEIGHTS}", str(error).splitlines()[0], do))
