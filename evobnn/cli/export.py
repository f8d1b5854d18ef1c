"""`evobnn export`: a trained network as files that need no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evobnn.cli.brought import additions
from evobnn.cli.console import console, table
from evobnn.deploy import export
from evobnn.deploy.export import Exported


def show(
    folder: str | None,
    untrained: str | None,
    to: str,
    out: Path | None,
    compiler: str | None,
    data_dir: Path | None,
    brought: Sequence[str],
) -> None:
    """Export a network and print what became of its sites, and what was found when the files were run."""
    formats = [name.strip() for name in to.split(",") if name.strip()]
    own = additions(brought)
    found = export(folder, formats, out, untrained=untrained, data_dir=data_dir, compiler=compiler, additions=own)
    shown = console()
    heads = ("site", "channels", "folded", "where seen", "direct", "thresholds", "arrives")
    listed = table(*heads, first=(0, 2, 4))
    for site in found.sites:
        channels = site.whole + site.seen + site.direct
        counts = (channels, site.whole, site.seen, site.direct, site.most)
        listed.add_row(site.path, *map(str, counts), "whole numbers" if site.exact else "real numbers")
    if found.sites:
        listed.show(shown)
    for line in _lines(found):
        shown.print(line)


def _lines(found: Exported) -> list[str]:
    reasons: dict[str, int] = {}
    for site in found.sites:
        for reason, count in site.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    lines = [f"Not folded for every number, because of {name}: {count} channels." for name, count in reasons.items()]
    agreed = found.agreement
    but = f" but {agreed.flips:,}, which rounding turns" if agreed.flips else ""
    lines.append(f"Signs as PyTorch's on {agreed.images} images: all of {agreed.bits:,}{but}.")
    lines += found.said
    sizes = ", ".join(f"{name} ({size:,} bytes)" for name, size in found.files.items())
    return [*lines, f"Written to {found.folder}: {sizes}."]
