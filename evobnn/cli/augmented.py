"""What the start lines say of augmentations: which one, what `auto` made of it and why, and what does not suit."""

from __future__ import annotations

from collections.abc import Iterator

from evobnn.data.suited import is_auto, suited, unsuited
from evobnn.experiment.augmented import may_be_mirrored
from evobnn.experiment.final import FinalSettings
from evobnn.training import Plan


def behind(augmentations: list[str]) -> str:
    """Return what stands behind batch or epochs: the augmentations of all stages, nothing where there are none."""
    found = list(dict.fromkeys(augmentations))
    return "" if found == ["none"] else f", augmentation {', then '.join(found)}"


def explained(asked: Plan, settings: FinalSettings, side: int) -> Iterator[str]:
    """Yield a line for what `auto` chose in each augmentation that was asked for, and for each that does not suit.

    Arguments:
        asked: the plan of a new training as it was asked for.
        settings: those of the training.
        side: the shorter one of the images, in pixels.
    """
    name = settings.experiment.dataset.name
    mirrored = may_be_mirrored(name)
    for text in dict.fromkeys(stage.recipe.augmentation for stage in asked.stages):
        if is_auto(text):
            yield f"auto is {suited('auto', side, mirrored)}: an eighth of {side} pixels{_mirror(text, name, mirrored)}"
        elif wrong := unsuited(text, side, mirrored):
            instead = suited("auto", side, mirrored)
            do = f"--set recipe.augmentation=auto takes {instead}"
            yield f"{text} does not suit {name}: {', and '.join(wrong)}; {do}"


def _mirror(text: str, name: str, mirrored: bool | None) -> str:
    if mirrored is not None:
        return f", and {name} {'may' if mirrored else 'may not'} be mirrored"
    if "flip" in text.split("-"):
        return ", mirrored as you ask"
    return f"; {name} is not mirrored unless you say so: --set recipe.augmentation={text}-flip"
