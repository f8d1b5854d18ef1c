"""From the settings of a final training to what it works with: bench, network, images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from evobnn._seeding import child_seed
from evobnn.data import Images, PreparedData, check_test, load_test, prepare
from evobnn.data.batches import images_tensors
from evobnn.data.loaders import Loader
from evobnn.errors import DataError, ExperimentError, GenomeError, message
from evobnn.evaluation import Bench, Phenotype, check_device
from evobnn.experiment.final import FinalSettings
from evobnn.genome import Genome
from evobnn.nn import check_kernels, set_modes
from evobnn.runs import Options
from evobnn.runs.final.folder import Verdict
from evobnn.runs.final.images import check_stream, frame_of, is_streamed, listed, loader_of
from evobnn.runs.final.metadata import Metadata
from evobnn.runs.setup import assembled
from evobnn.training import tally, torch_threads


@dataclass(frozen=True)
class Workplace:
    """Where one genome is trained to the end.

    Attributes:
        settings: what decides, with no `auto` left.
        bench: space, images, device.
        genome: as the settings' text says.
        data_dir: folder with the published files.
    """

    settings: FinalSettings
    bench: Bench
    genome: Genome
    data_dir: Path | None = None

    @property
    def prepared(self) -> PreparedData:
        """What is known of the images."""
        return self.bench.prepared

    @property
    def phenotype(self) -> Phenotype:
        """What the genome becomes: key, counts and network."""
        return self.bench.phenotype(self.genome)

    def seed(self, number: int) -> int:
        """Return the root of all that is drawn in the training of this number, apart from the seeds of a search."""
        return child_seed(number, "final", self.phenotype.key)

    def network(self, number: int) -> nn.Module:
        """Return the network of a seed before its training, on the device."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(self.seed(number), "weights"))
            network = self.phenotype.network()
        placed: nn.Module = network.to(self.bench.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    @cached_property
    def loader(self) -> Loader:
        """The images to learn from, on the device; no test image among them."""
        spec, all_images = self.settings.experiment.dataset, self.settings.all_images
        return loader_of(self.prepared, spec, self.bench.device, self.data_dir, all_images=all_images)

    @cached_property
    def metadata(self) -> Metadata:
        """What stands beside the weights, so that they are read without the data set."""
        prepared, frame = self.prepared, frame_of(self.settings.experiment.dataset, self.data_dir)
        read = (frame.bits, frame.paper) if frame else ()
        mean, deviation = (tuple(map(float, one.tolist())) for one in (self.loader.mean, self.loader.deviation))
        return Metadata(prepared.shape, prepared.class_names, mean, deviation, *read)

    @property
    def train_count(self) -> int:
        """Number of images to learn from."""
        return self.prepared.train_count + (self.prepared.validation_count if self.settings.all_images else 0)

    @property
    def validation_count(self) -> int:
        """Number of images set apart to validate."""
        return 0 if self.settings.all_images else self.prepared.validation_count

    def tested(self, network: nn.Module) -> Verdict:
        """Read the test images and return what the network makes of them; call it once, at the very end.

        Arguments:
            network: with its final weights, on the device; its modes become those of the last stage.

        Raises:
            DataError: test images that are damaged, or of another shape or other classes than the training images.
        """
        spec, last = self.settings.experiment.dataset, self.settings.plan.stages[-1].recipe
        images = load_test(spec, self.data_dir)
        if images.shape != self.prepared.shape or len(images.class_names) != self.prepared.classes:
            raise DataError(
                message(
                    f"test images of shape {self.prepared.shape} in {self.prepared.classes} classes",
                    f"{images.shape} in {len(images.class_names)}",
                    "Take both parts from the same data set; the weights are kept.",
                )
            )
        set_modes(network, last.activations, last.weights)
        with torch_threads(last.threads):
            return Verdict(correct(network, images, self.loader), len(images))


def workplace(settings: FinalSettings, options: Options) -> Workplace:
    """Return where the settings are worked on; everything that can be wrong is found here, before any training.

    Raises:
        EvobnnError: a device, file, genome or setting that is not right.
    """
    bench = _bench(settings, options)
    settings = settings.for_images(bench.prepared.shape)
    genome = bench.space.parse(settings.genome)
    if reason := bench.infeasible(genome):
        raise GenomeError(message("a genome that can learn", reason, "Choose another one."))
    place = Workplace(settings, bench, genome, options.data_dir)
    for stage in settings.plan.stages:
        check_kernels(stage.recipe.kernels)
        if stage.recipe.batch > place.train_count:
            raise ExperimentError(
                message(
                    f"a batch of at most the {place.train_count} training images",
                    str(stage.recipe.batch),
                    "Lower it with --set recipe.batch=N, or take more images with --set dataset.train_limit=0.",
                )
            )
    _ = place.phenotype.cost  # counted, and so built
    return place


def _bench(settings: FinalSettings, options: Options) -> Bench:
    """Return the bench, its images prepared, or only listed where they are streamed."""
    experiment, spec = settings.experiment, settings.experiment.dataset
    check_device(options.device)
    check_test(spec, options.data_dir)
    if is_streamed(spec, options.data_dir, settings.all_images):
        check_stream(spec, settings.all_images)
        return assembled(experiment, listed(spec, options.data_dir), options)
    return assembled(experiment, prepare(spec, options.data_dir), options)


def correct(network: nn.Module, images: Images, loader: Loader, batch: int = 512) -> int:
    """Return how many images the network puts into their class, in evaluation mode, normalised as in training."""
    parts = (images.select(np.arange(at, min(at + batch, len(images)))) for at in range(0, len(images), batch))
    batches = (images_tensors(part, loader.device) for part in parts)
    return len(images) - tally(network, batches, loader)[1]
