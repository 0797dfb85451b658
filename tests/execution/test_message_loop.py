"""The message loop over a scripted transport: restarts, answers and the end of what is still running."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.artifacts.epoch import Epoch
from pipeline.execution.job import STARTED, Failed, Finished, Job, Message, Stopped
from pipeline.execution.message_loop import MessageLoop
from pipeline.execution.settings import SearchSettings

DIED, FINISHED = Failed("killed", died=True), Finished(1, 0.5, {}, 0)
EPOCH = Epoch(1, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5, None, None, 0.1, 0.0)
JOB = Job({}, Path(), 1, "accuracy")


@dataclass(eq=False)
class Script:
    """One start of a training: the messages it will send, and what was done to it."""

    messages: list[Message | str]
    answers: list[str] = field(default_factory=list)


class Scripted(MessageLoop[Script]):
    """Each start takes the next script."""

    def __init__(self, *scripts: Sequence[Message | str], limit_s: float | None = None) -> None:
        self.settings, self.n_workers = SearchSettings(limit_s=limit_s), 1
        self.scripts = [Script(list(messages)) for messages in scripts]
        self.started: list[Script] = []

    def start(self, job: Job) -> Script:
        self.started.append(self.scripts[len(self.started)])
        return self.started[-1]

    def wait(self, handles: Sequence[Script], timeout_s: float | None) -> list[Script]:
        return [handle for handle in handles if handle.messages]

    def receive(self, handle: Script) -> Message | str:
        return handle.messages.pop(0)

    def answer(self, handle: Script, goes_on: bool) -> None:
        handle.answers.append("resume" if goes_on else "stop")

    def kill(self, handle: Script) -> None:
        handle.answers.append("kill")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("scripts", "result"),
    [
        ([[DIED], [DIED], [STARTED, FINISHED]], FINISHED),
        ([[DIED], [DIED], [DIED]], DIED),
        ([[STARTED, DIED]], DIED),
        ([[DIED], [STARTED, EPOCH, DIED]], DIED),
        ([[Failed("no such file")]], Failed("no such file")),
    ],
)
def test_a_death_before_training_restarts_the_job(scripts: list[list[Message | str]], result: object) -> None:
    transport = Scripted(*scripts)
    assert list(transport.run([JOB], lambda i, epoch: True)) == [(0, result)]
    assert transport.started == transport.scripts


def test_the_answer_to_an_epoch_resumes_or_stops() -> None:
    transport = Scripted([STARTED, EPOCH, EPOCH, EPOCH], [STARTED, FINISHED])
    answers = iter([True, False])
    assert list(transport.run([JOB, JOB], lambda i, epoch: next(answers))) == [(0, Stopped()), (1, FINISHED)]
    assert [script.answers for script in transport.started] == [["resume", "stop"], []]


def test_a_training_beyond_its_time_is_killed() -> None:
    transport = Scripted([STARTED], limit_s=1e-9)
    assert list(transport.run([JOB], lambda i, epoch: True)) == [
        (0, Failed("took longer than the 1e-09 s of search.limit_s"))
    ]
    assert transport.started[0].answers == ["kill"]


def test_an_interrupted_loop_kills_what_is_running() -> None:
    transport = Scripted([STARTED, EPOCH])

    def interrupt(i: int, epoch: Epoch) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(transport.run([JOB], interrupt))
    assert transport.started[0].answers == ["kill"]
