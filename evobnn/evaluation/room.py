"""Room for workers that train what an experiment trains: the memory of one training is estimated, not tried."""

from __future__ import annotations

import math

from evobnn.evaluation import Bench
from evobnn.machine.room import Room
from evobnn.machine.workers import room

_NUMBER = 4
"""Bytes of a float32."""
_COPIES = 4
"""Of each parameter: weight, gradient, two moments."""


def training_bytes(bench: Bench) -> int:
    """Return about how many bytes the training of the bench's dearest genome keeps at a time.

    An estimate: for one batch what every layer puts out in float32, an expression once for each of its forms, and four
    numbers for each parameter. On nine networks a step was found to keep 0.8 to 1.25 times as much by PyTorch's
    operations in float32, and with fused kernels in bfloat16 as little as half. The dearest genome has the operations
    with most work and the longest expressions, and keeps some 1.5 times as much as a random one.
    """
    _, dearest = bench.extremes()
    cost = bench.cost(dearest)
    numbers = sum(max(math.prod(layer.output_shape), layer.other) for layer in cost.layers if layer.output_shape)
    batch = min(bench.protocol.recipe.batch, bench.prepared.train_count)
    return _NUMBER * (batch * numbers + _COPIES * cost.parameters)


def room_for(bench: Bench) -> Room:
    """Return the room for workers that train on a bench.

    Raises:
        DeviceError: its device is not there.
    """
    prepared = bench.prepared
    images = (prepared.train_count + prepared.validation_count) * math.prod(prepared.shape)
    return room(bench.device, training_bytes(bench), images)
