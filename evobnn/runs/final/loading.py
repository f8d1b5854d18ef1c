"""From a training folder to a network that takes raw images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from evobnn._checks import check_name
from evobnn.analysis import Run
from evobnn.data import PreparedData
from evobnn.errors import DataError, RunError, message
from evobnn.evaluation import Additions, check_device
from evobnn.experiment.final import FinalSettings, open_settings
from evobnn.nn import check_kernels, set_modes
from evobnn.runs import Options
from evobnn.runs.final.folder import WEIGHTS, SeedFolder, read_result, seed_folder
from evobnn.runs.final.loaded import LoadedNetwork
from evobnn.runs.final.metadata import Metadata
from evobnn.runs.final.named import training_of
from evobnn.runs.final.setup import Workplace, workplace
from evobnn.runs.final.weights import put_into, read_weights
from evobnn.runs.setup import assembled
from evobnn.snapshot import read_starts

KERNELS = ("torch", "recorded")


def load_network(
    folder: str | os.PathLike[str] | Run,
    id: int | None = None,
    seed: int | None = None,
    *,
    kernels: str = "torch",
    device: str = "cpu",
    data_dir: Path | None = None,
    additions: Additions | None = None,
) -> LoadedNetwork:
    """Return a trained network, in evaluation mode, that takes raw images and returns logits.

    Arguments:
        folder: of a training (`evobnn train`), or its name below `populations/`. A run is refused: a search keeps no
            weights; the error names the command that trains its individual `id`.
        id: of an individual of a run.
        seed: whose weights; by default those of the first seed that was trained.
        kernels: `torch` for readable modules in float32; `recorded` for kernels, precision and threads of the training,
            which on a processor of the same kind answer as `result.json` says, to the last image.
        device: of torch.
        data_dir: folder with the data set's files; needed only for weights from before their file said how images are
            normalised, and then by default where the training found them.
        additions: the operations and forms of your own with which it was trained.

    Raises:
        EvobnnError: no such training, seed or id, no weights, damaged files, or a device that is not there.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/loaded"
    ... )
    >>> network = evobnn.load_network(training)
    >>> network.predict(training.test_images().images[:8]).shape
    (8,)
    """
    check_name("choice of kernels", kernels, KERNELS, RunError)
    check_device(device)
    path = training_of(folder, id)
    settings = open_settings(path)
    home = _home(path, settings, seed)
    tensors, metadata = read_weights(home)
    own = additions or Additions()
    if metadata is None:
        metadata = _measured(path, settings, _options(path, device, data_dir, own))
    stages = settings.plan.stages
    if kernels == "torch":
        settings = replace(settings, plan=settings.plan.changed(kernels="torch", precision="fp32"))
    else:
        check_kernels(stages[0].recipe.kernels)
    number = int(home.path.name.rpartition("-")[2])
    place = _place(settings, metadata, Options(jobs=1, device=device, additions=own))
    network = place.network(number)
    put_into(network, tensors, home)
    last = stages[-1].recipe
    set_modes(network, last.activations, last.weights)
    threads = last.threads if kernels == "recorded" else 0
    loaded = LoadedNetwork(network, place.genome, metadata, open_settings(path), number, read_result(path), threads)
    return loaded.to(device)


def _home(folder: Path, settings: FinalSettings, seed: int | None) -> SeedFolder:
    """Return where the weights of a seed lie: of the first one that was trained where none is named."""
    homes = {number: seed_folder(folder, number) for number in settings.seeds}
    trained = [number for number, home in homes.items() if home.trained]
    chosen = trained[0] if seed is None and trained else seed
    if chosen in trained:
        return homes[chosen]
    said = ", ".join(map(str, trained))
    if trained and chosen not in homes:
        raise RunError(message(f"a seed with which {folder} was trained ({said})", f"seed {seed}", "Name one of them."))
    where = homes[settings.seeds[0] if chosen not in homes else chosen].path / WEIGHTS
    beside = f" Trained to the end is {said}." if trained else ""
    do = f"'evobnn train {folder}' trains what is missing.{beside}"
    raise RunError(message(f"the weights of a finished training in {where}", "no such file", do))


def _place(settings: FinalSettings, metadata: Metadata, options: Options) -> Workplace:
    """Return where the network is built, without the data set."""
    name, names = settings.experiment.dataset.name, metadata.class_names
    prepared = PreparedData("", "", name, metadata.shape, len(names), 0, 0, names)
    bench = assembled(settings.experiment, prepared, options)
    return Workplace(settings, bench, bench.space.parse(settings.genome))


def _options(folder: Path, device: str, data_dir: Path | None, additions: Additions) -> Options:
    there = next(reversed(read_starts(folder)), {}).get("data_dir")
    return Options(jobs=1, device=device, data_dir=data_dir or (Path(there) if there else None), additions=additions)


def _measured(folder: Path, settings: FinalSettings, options: Options) -> Metadata:
    """Return what weights from before do not say, from the data set that they were trained on."""
    reason = f"The weights in {folder} are from before they said how images are normalised, which the data set tells."
    try:
        place = workplace(settings, options)
        found = place.metadata
    except DataError as error:
        raise DataError(f"{error} {reason}") from error
    begun = next(iter(read_starts(folder)), {}).get("data", place.prepared.fingerprint)
    if begun != place.prepared.fingerprint:
        do = f"Name the folder of those images (data_dir). {reason}"
        raise RunError(message(f"the images with which {folder} was begun, fingerprint {begun}", "others", do))
    return found
