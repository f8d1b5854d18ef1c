"""The archive's front on fresh seeds, which the search never saw: what it selected flatters itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evobnn.records import FRESH, Evaluation, Individual, Request, Result
from evobnn.runs.believed import Believe, believed
from evobnn.runs.derived import rescored_row
from evobnn.runs.outlook import MOST_RESCORED
from evobnn.snapshot import Generation, Rescored
from evobnn.snapshot.archive import unconfirmed


class FreshScores:
    """Rounds of fresh evaluations of the front, each of `count` for every member.

    Where luck put a member on the front, others that it had pushed off are measured in turn, until the front is
    settled or `MOST_RESCORED` members were measured.

    Arguments:
        count: fresh evaluations of each member.
        believe: what errors are believed in place of search means, if any are.

    Attributes:
        rows: the scores by id.
        settled: evaluations of finished rounds.
        luck: the share of this round's members that are measured, and how many more are to be by what these say.
    """

    def __init__(self, count: int, believe: Believe | None = None) -> None:
        self.count = count
        self._believe = believe
        self._believed: tuple[int, Mapping[int, float]] = (0, {})
        self.rows: dict[int, Rescored] = {}
        self.settled = 0
        self.luck = (0.0, 0)

    def requests(self, generations: Sequence[Generation]) -> list[Request]:
        """Return the evaluations of the next round; none when the front is settled."""
        who = individuals(generations)
        chosen = [who[number] for number in self._unconfirmed(generations, self.rows)] if self.count else []
        if self.rows:
            chosen = chosen[: max(0, MOST_RESCORED - len(self.rows))]
        self.luck = 0.0, 0
        return [Request(individual, FRESH + n) for individual in chosen for n in range(self.count)]

    def take(self, results: Sequence[Result]) -> None:
        """Take the results of a round in, in the order of asking."""
        self.settled += len(results)
        self.rows |= self._rows(results)

    def look(
        self, generations: Sequence[Generation], requests: Sequence[Request], found: Mapping[int, Evaluation]
    ) -> None:
        """Note the luck of a round of which the evaluations in `found`, by their place, are done."""
        whole: dict[int, Rescored] = {}
        for start in range(0, len(requests), self.count):
            places = range(start, start + self.count)
            if all(place in found for place in places):
                whole |= self._rows([Result(requests[place], found[place]) for place in places])
        seen = len(whole) * self.count / len(requests)
        if seen > self.luck[0]:
            open_ones = {request.individual.id for request in requests}
            lucky = [n for n in self._unconfirmed(generations, {**self.rows, **whole}) if n not in open_ones]
            most = max(0, MOST_RESCORED - len(self.rows) - len(open_ones))
            self.luck = seen, min(len(lucky), most)

    def _unconfirmed(self, generations: Sequence[Generation], rescored: Mapping[int, Rescored]) -> list[int]:
        if self._believed[0] != len(generations):
            self._believed = len(generations), believed(generations, self._believe)
        return unconfirmed(generations, rescored, self._believed[1])

    def _rows(self, results: Sequence[Result]) -> dict[int, Rescored]:
        found = {}
        for start in range(0, len(results), self.count):
            own = results[start : start + self.count]
            individual = own[0].request.individual
            found[individual.id] = rescored_row(individual, own)
        return found


def individuals(generations: Sequence[Generation]) -> dict[int, Individual]:
    """Return every individual of the run by id."""
    return {
        result.request.individual.id: result.request.individual
        for generation in generations
        for result in generation.results
    }
