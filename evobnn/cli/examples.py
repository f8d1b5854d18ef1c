"""One example for each command, with which its help page ends."""

from __future__ import annotations

EXAMPLES = {
    "evolve": "evobnn evolve digits --generations 2 --budget 10m",
    "resume": "evobnn resume digits-1 --generations 20",
    "relax": "evobnn relax bnas --dataset digits --set relax.epochs=10",
    "front": "evobnn front digits-1 --csv",
    "report": "evobnn report digits-1 --out digits.html",
    "watch": "evobnn watch digits-1 --once",
    "show": "evobnn show digits-1:0",
    "summary": "evobnn summary digits-1:0 --depth 2",
    "evaluate": "evobnn evaluate digits-1:0 --repeat 1",
    "train": "evobnn train digits-1:0 --seeds 3",
    "predict": "evobnn predict train-digits-1 seven.png",
    "export": "evobnn export train-digits-1 --to c,bits",
    "check": "evobnn check digits-1",
    "presets": "evobnn presets digits",
    "recipes": "evobnn recipes standard",
    "tabulate": "evobnn tabulate joint-digits --budget 1h",
    "table": "evobnn table joint-digits --best 5",
    "compare": "evobnn compare --table joint-digits --strategies random,nsga2",
    "fidelity": "evobnn fidelity digits --heritability --genomes 10",
    "bench": "evobnn bench digits-1:0",
    "doctor": "evobnn doctor",
}
"""Lines that work as they stand, those about a run after the first, which `evobnn evolve` calls digits-1."""


def example(command: str) -> str:
    """Return the last line of a command's help page."""
    return f"Example: {EXAMPLES[command]}"
