"""The archive's front on fresh seeds, which the search never saw: what it selected flatters itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evobnn.records import FRESH, Evaluation, Request, Result
from evobnn.runs.believed import Believe, believed
from evobnn.runs.derived import rescored_row
from evobnn.runs.outlook import MOST_RESCORED
from evobnn.snapshot import Rescored
from evobnn.snapshot.archive import Archive, unconfirmed


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
        self._believed: Mapping[int, float] = {}
        self.rows: dict[int, Rescored] = {}
        self.settled = 0
        self.luck = (0.0, 0)

    def requests(self, archive: Archive) -> list[Request]:
        """Return the evaluations of the next round; none when the front is settled."""
        if not self.rows:
            self._believed = believed(archive, self._believe)
        numbers = unconfirmed(archive, self.rows, self._believed) if self.count else []
        chosen = [archive.members[number].individual for number in numbers]
        if self.rows:
            chosen = chosen[: max(0, MOST_RESCORED - len(self.rows))]
        self.luck = 0.0, 0
        return [Request(individual, FRESH + n) for individual in chosen for n in range(self.count)]

    def take(self, results: Sequence[Result]) -> None:
        """Take the results of a round in, in the order of asking."""
        self.settled += len(results)
        self.rows |= self._rows(results)

    def look(self, archive: Archive, requests: Sequence[Request], found: Mapping[int, Evaluation]) -> None:
        """Note the luck of a round of which the evaluations in `found`, by their place, are done."""
        whole: dict[int, Rescored] = {}
        for start in range(0, len(requests), self.count):
            places = range(start, start + self.count)
            if all(place in found for place in places):
                whole |= self._rows([Result(requests[place], found[place]) for place in places])
        seen = len(whole) * self.count / len(requests)
        if seen > self.luck[0]:
            open_ones = {request.individual.id for request in requests}
            after = unconfirmed(archive, {**self.rows, **whole}, self._believed)
            lucky = [n for n in after if n not in open_ones]
            most = max(0, MOST_RESCORED - len(self.rows) - len(open_ones))
            self.luck = seen, min(len(lucky), most)

    def _rows(self, results: Sequence[Result]) -> dict[int, Rescored]:
        found = {}
        for start in range(0, len(results), self.count):
            own = results[start : start + self.count]
            individual = own[0].request.individual
            found[individual.id] = rescored_row(individual, own)
        return found
