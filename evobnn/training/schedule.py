"""What changes in the course of a training, in closed form: learning rate, momentum, drop-path.

`steps` is the number of all steps; step 0 is the first. A schedule that ends at some value would reach it at step
`steps`, one after the last.
"""

from __future__ import annotations

import math

from evobnn.training.recipe import Recipe

LOW, LAST, RISE = 20, 100, 0.45
"""Of `bnas`: the highest rate over the lowest of the cycle, that over the last, and the share of steps of the rise."""


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of step 0 <= step < steps; h is the highest, n is `steps`, k the step.

    constant:  h
    cosine:    h (1 + cos(pi k / n)) / 2
    onecycle:  h (k + 1) / w up to w = n // 4, at least 1; then h (1 + cos(pi (k - w) / (n - w))) / 2
    linear:    h (1 - k / n)
    steps:     h times the factor of the last milestone m with k >= round(m n); h before the first
    restarts:  h (1 + cos(pi p)) / 2, p the fraction of k cycles / n
    bnas:      with r = floor(0.45 n) and s rising linearly from 0 to 1 at step r and falling to 0 at step 2 r,
               h (1 + 19 s) / 20; after that h (1 - 0.99 (k - 2r) / (n - 2r)) / 20
    trunk:     h (k + 1) / w up to w = half the steps of an epoch, at least 1; then h. Its branches are `linear`.

    A trunk with branches is what Hägele et al., "Scaling laws and compute-optimal training beyond fixed training
    durations", NeurIPS 2024 (arXiv 2405.18392), call a constant rate with cooldown, and others warmup-stable-decay.
    Source of `bnas`: Kim, Singh, Choi 2020, code (section 2.5 of the fact sheet).
    """
    highest = recipe.learning_rate
    if recipe.schedule == "constant":
        return highest
    if recipe.schedule == "linear":
        return highest * (steps - step) / steps
    if recipe.schedule == "steps":
        passed = [f for share, f in zip(recipe.milestones, recipe.factors, strict=True) if step >= round(share * steps)]
        return highest * passed[-1] if passed else highest
    if recipe.schedule == "restarts":
        return highest * 0.5 * (1.0 + math.cos(math.pi * (step * recipe.cycles % steps) / steps))
    if recipe.schedule == "bnas":
        tail = step - 2 * int(RISE * steps)
        if tail <= 0:
            return highest * (1.0 + (LOW - 1) * _height(step, steps)) / LOW
        return highest * (1.0 - (1.0 - 1.0 / LAST) * tail / (tail + steps - step)) / LOW
    if recipe.schedule == "trunk":
        warm = max(1, steps // recipe.epochs // 2)
        return highest * min(1.0, (step + 1) / warm)
    warm = max(1, steps // 4) if recipe.schedule == "onecycle" else 0
    if step < warm:
        return highest * (step + 1) / warm
    return highest * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / (steps - warm)))


def _height(step: int, steps: int) -> float:
    """Return how far up the cycle of `bnas` is, 0 to 1; a training too short to rise begins at the top."""
    rise = int(RISE * steps)
    return max(0.0, 1.0 - abs(step - rise) / rise) if rise else float(step == 0)


def momentum_at(recipe: Recipe, step: int, steps: int) -> float:
    """Return the momentum (of Adam the first beta) of a step.

    Constant without `low_momentum`; else momentum - (momentum - low_momentum) s, with s of `rate_at` for `bnas` (0 in
    its tail), as published, and the rate's share of its highest for all others.
    """
    high, low = recipe.momentum, recipe.low_momentum
    if not low:
        return high
    up = _height(step, steps) if recipe.schedule == "bnas" else rate_at(recipe, step, steps) / recipe.learning_rate
    return high - (high - low) * up


def drop_path_at(recipe: Recipe, epoch: int) -> float:
    """Return the probability of drop-path in epoch 0 <= epoch < epochs: drop_path * epoch / epochs (as in DARTS)."""
    return recipe.drop_path * epoch / recipe.epochs
