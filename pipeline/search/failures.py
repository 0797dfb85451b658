"""When failing trials stop a search: the same cause again and again lies in the experiment, not in the samples."""

from itertools import takewhile

from pipeline.core.errors import PipelineError
from pipeline.search.slots import Slots
from pipeline.search.trials import EndedTrial

MAX_EQUAL_FAILURES = 5  # in a row


class FailurePolicy:
    """Stops the search after MAX_EQUAL_FAILURES trials in a row that failed for one cause.

    Deaths of workers are left out: they have the retry policy of their own.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._closed: list[EndedTrial] = []
        for trial in sorted(slots.ended, key=lambda trial: trial.ended_ms):
            self.add(trial)

    def add(self, trial: EndedTrial) -> None:
        """Count a trial that was closed just now."""
        if trial.state != "interrupted" and not trial.died and trial.number not in self.slots.reopened():
            self._closed.append(trial)

    def check(self) -> None:
        """Raise PipelineError if the last trials all failed for one cause."""
        last = self._closed[-1].reason if self._closed else ""
        n = sum(1 for _ in takewhile(lambda trial: trial.reason == last, reversed(self._closed))) if last else 0
        if n >= MAX_EQUAL_FAILURES:
            raise self.give_up(n, f"{n} trials in a row failed")

    def give_up(self, n: int | None, what: str) -> PipelineError:
        """Reopen the slots of failed trials among the last `n` (None: all); return the error to raise."""
        failed = [trial for trial in (self._closed if n is None else self._closed[-n:]) if trial.reason]
        self.slots.reopen([trial.number for trial in failed])
        cause = f": {failed[-1].reason}" if failed else ""
        return PipelineError(f"{what}{cause}; fix the cause and rerun; failed trials are retrained")
