"""The imports between the rooms of a package as a drawing in Mermaid: `python -m tests.drawn evobnn.nn`."""

from __future__ import annotations

import sys

import grimp


def arrows(package: str) -> list[tuple[str, str]]:
    """Return (room, room that it imports from) for the rooms right below a package, each pair once, by name."""
    graph = grimp.build_graph("evobnn", cache_dir=None)
    rooms = sorted(child.removeprefix(f"{package}.") for child in graph.find_children(package))
    inside = {room: {f"{package}.{room}", *graph.find_descendants(f"{package}.{room}")} for room in rooms}
    return [
        (one, other)
        for one in rooms
        for other in rooms
        if one != other and any(graph.find_modules_directly_imported_by(m) & inside[other] for m in inside[one])
    ]


def drawing(package: str) -> str:
    """Return the drawing; an arrow points at what is imported."""
    return "\n".join(["graph TD", *(f"  {one} --> {other}" for one, other in arrows(package))])


if __name__ == "__main__":
    print(drawing(sys.argv[1] if len(sys.argv) > 1 else "evobnn.nn"))
