"""pymoo's NSGA-II on whole numbers.

`pymoo` is imported here and nowhere else, by the functions that need it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from evobnn.studies.compare.peers.genes import Vector


def nsga2(sizes: Sequence[int], worst: Sequence[float], seed: int, population: int) -> Generations:
    """Return NSGA-II with the operators for whole numbers of pymoo's manual ("Discrete Variables").

    Arguments:
        sizes: by gene, how many options it has.
        worst: of each objective, what a failure is told as.
        seed: of its generator.
        population: members, and children of a generation.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.core.termination import NoTermination
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    most = np.array(sizes) - 1
    problem = Problem(n_var=len(sizes), n_obj=len(worst), xl=np.zeros_like(most), xu=most, vtype=int)
    algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
    return Generations(algorithm, problem, worst, population)


class Generations:
    """An algorithm of generations as `evobnn.studies.compare.peers.strategies.Optimiser`: it is told once a generation
    is whole, and bred from once more where some of its children were refused.
    """

    def __init__(self, algorithm: Any, problem: Any, worst: Sequence[float], size: int) -> None:
        self._algorithm, self._problem, self._worst, self._size = algorithm, problem, list(worst), size
        self._bred: deque[Vector] = deque()
        self._asked: deque[Vector] = deque()
        self._told: list[tuple[Vector, list[float]]] = []

    def ask(self, given: Vector | None = None) -> Vector | None:
        if given is None and not self._bred:
            children = self._algorithm.ask()
            rows = () if children is None else children.get("X")
            self._bred.extend(tuple(int(value) for value in row) for row in rows)
        if given is None and not self._bred:
            return None
        vector = given if given is not None else self._bred.popleft()
        self._asked.append(vector)
        return vector

    def refuse(self) -> None:
        self._asked.pop()

    def tell(self, values: Sequence[float] | None) -> None:
        self._told.append((self._asked.popleft(), self._worst if values is None else list(values)))
        if len(self._told) == self._size:
            self._end()

    def _end(self) -> None:
        """End a generation; what was bred beyond its size is dropped."""
        from pymoo.core.evaluator import Evaluator
        from pymoo.core.population import Population
        from pymoo.problems.static import StaticProblem

        children = Population.new("X", np.array([vector for vector, _ in self._told]))
        values = np.array([values for _, values in self._told])
        Evaluator().eval(StaticProblem(self._problem, F=values), children)
        self._algorithm.tell(infills=children)
        self._told, self._bred = [], deque()
