"""Search by a function of your own: here an energy that a device would have measured, and a guess of the error.

Any function from a genome to numbers will do: a training of your own, a simulator, a board on the desk.
"""

import sys

import evobnn

MJ = {"conv3": 1.9, "conv5": 4.1, "dil3": 2.0, "dil5": 4.3}
"""Millijoules of an operation; put what your hardware says here."""


def device(genome):
    """Return what the search minimises. With an argument `seed` it may also roll dice: repeats get other seeds."""
    operations = [edge.operation for _, cell in genome.cells for edge in cell.edges]
    energy = 0.5 + sum(MJ.get(name, 0.1) for name in operations)
    if energy > 45:
        raise RuntimeError("too hot")  # a failure is a status; the search goes on
    return {"error": 0.9 / (1 + energy / 10), "mJ": energy, "edges": len(operations)}


run = evobnn.search(
    "mnist5k",
    device,
    objectives=["error", evobnn.Objective("mJ", "mJ for one image", axis="linear", bounds=(0, 60)), "bits"],
    generations=5,
    seed=1,
    jobs=2,
    version="1",  # another one wherever the function begins to say something else
    out=sys.argv[1] if len(sys.argv) > 1 else "populations/own-evaluation",
)
print(run.front()[["id", "error", "mJ", "bits"]])
print("failed:", len(run.evaluations().query("status == 'error'")))
