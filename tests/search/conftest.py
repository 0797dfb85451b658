"""Workers that tests share, since each takes seconds to start."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from pipeline.execution.local import LocalExecutor
from pipeline.execution.settings import SearchSettings
from pipeline.search import search


@pytest.fixture(scope="session")
def local_executor() -> Iterator[LocalExecutor]:
    """Yield an executor that starts workers as they are needed, at most `n_workers`, which tests may set."""
    with LocalExecutor(SearchSettings(workers=3)) as executor:
        yield executor


@pytest.fixture(scope="module")
def shared_workers(local_executor: LocalExecutor) -> Iterator[None]:
    """Let searches train on these workers."""

    def lend(settings: SearchSettings) -> nullcontext[LocalExecutor]:
        assert isinstance(settings.workers, int)
        local_executor.n_workers = settings.workers
        return nullcontext(local_executor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "open_executor", lend)
        yield
