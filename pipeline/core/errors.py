"""The exceptions that users may see.

PipelineError              exit code 1: a run failed; the message says what to do
├── TrainingError          one training failed (loss not finite, worker died); the search continues
├── TrackingError          MLflow lacks what should be there, e.g. deleted by a user; only tracking stops
└── InputError             exit code 2: something the user wrote, set or provided is wrong
    ├── ProblemsError      several problems, all listed at once:
    │   ├── ConfigError    params.yaml or an experiment file
    │   ├── DataError      images, labels or folders that cannot be used
    │   └── DownloadError  no source delivered a file; each source with its reason
    ├── UnknownKeyError    a key that no schema has; the caller adds where it was written
    └── BusyError          another process holds a lock that this one needs
"""

import difflib
from collections.abc import Iterable, Sequence


class PipelineError(Exception):
    """A failed run. The message is one line that says what is wrong, what was found, and how to fix it."""

    exit_code = 1


class TrainingError(PipelineError):
    """One training failed; the message is the cause."""


class TrackingError(PipelineError):
    """MLflow lacks an experiment, run or model; the message names the command that restores it."""


class InputError(PipelineError):
    """Bad input; nothing has been written."""

    exit_code = 2


class ProblemsError(InputError):
    """Several problems of one input, reported together; raised as one of its subclasses.

    headline: one line; problems: one line each.
    """

    def __init__(self, headline: str, problems: Sequence[str] = ()) -> None:
        self.problems = list(problems)
        super().__init__("\n  ".join([headline, *self.problems]))


class ConfigError(ProblemsError):
    """Each problem reads `FILE:LINE: key: rule, got value; did you mean …`."""


class DataError(ProblemsError):
    """Each problem reads `path: reason`."""


class DownloadError(ProblemsError):
    """Each problem reads `source: reason`."""


class UnknownKeyError(InputError):
    """A key that no schema has. wrong: the part that is unknown; known: the names allowed in its place."""

    def __init__(self, rule: str, *, wrong: str, known: Sequence[str]) -> None:
        self.wrong, self.known = wrong, known
        super().__init__(rule)


class BusyError(InputError):
    """Another process holds the lock; the message names it."""


def did_you_mean(wrong: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the end of a message that suggests the nearest of the known names, or "" if none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f"; did you mean {prefix + near[0]!r}?" if near else ""


def first_line(error: BaseException) -> str:
    """Return the first line of the message, or the type of an error without one."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
