"""Draw docs/mlflow-runs.png and docs/mlflow-run.png: the pages of MLflow for a finished experiment.

Run in a project whose experiment is reported, e.g. after `make demo`: `python -m docs.draw_mlflow digits`. It needs
chromium.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
TIMEOUT_S = 120
SIZE: Any = {"width": 1100, "height": 620}
NO_PANEL = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Run `python -m pipeline ui` and yield the first address that it prints."""
    command = [sys.executable, "-m", "pipeline", "ui"]
    quiet: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=root, **quiet) as process:  # noqa: S603
        try:
            assert process.stdout
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def open_runs(page: Any, address: str) -> None:
    """Open the address as soon as the server answers, without the panel of the assistant."""
    page.set_default_timeout(1000 * TIMEOUT_S)
    page.add_init_script(NO_PANEL)
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            page.goto(address)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def main(experiment: str) -> None:
    from playwright.sync_api import sync_playwright

    with served(Path.cwd()) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        open_runs(page, address)
        study = page.get_by_role("link", name=f"{experiment}@").first
        study.wait_for()
        page.screenshot(path=FOLDER / "mlflow-runs.png")
        study.click()
        page.get_by_text("Show more", exact=True).click()
        page.get_by_text("test_macro_f1", exact=True).wait_for()
        page.locator("img[src^='get-artifact']").wait_for()
        page.screenshot(path=FOLDER / "mlflow-run.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
