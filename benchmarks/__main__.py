from pathlib import Path

from benchmarks.report import run

run(Path())
