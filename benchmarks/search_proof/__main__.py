"""Train the truth table of an experiment, print what it shows, and write it to reports/search_proof_<name>.*.

An interrupted training resumes; `--no-training` analyses what is complete so far.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.search_proof.findings import Findings
from benchmarks.search_proof.truth import Proof
from pipeline.core.errors import PipelineError
from pipeline.core.files import write_json, writing
from pipeline.core.provenance import hardware
from pipeline.params import read_params
from pipeline.report.drawing import png

N_SEEDS = 3


def run(root: Path, arguments: Sequence[str]) -> int:
    """Return the exit code. root: of the repository."""
    parser = argparse.ArgumentParser(prog="benchmarks.search_proof", description=__doc__)
    parser.add_argument("name", help="of an experiment file with rungs")
    parser.add_argument("--workers", type=int, help="trainings in parallel; default: search.workers of params.yaml")
    parser.add_argument(
        "--seeds", type=int, default=N_SEEDS, help="of every training, at least 2; default: %(default)s"
    )
    parser.add_argument("--no-training", action="store_true", help="analyse the trainings that are complete")
    options = parser.parse_args(arguments)
    try:
        proof = Proof.of(root, options.name, options.seeds)
        if not options.no_training:
            workers = options.workers or read_params(root / "params.yaml").search.workers
            proof.train(1 if workers == "auto" else workers)
        findings = Findings.of(proof.table())
    except PipelineError as error:
        print(f"benchmarks.search_proof: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("benchmarks.search_proof: interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    machine = hardware()
    content = {"machine": machine, "date": date.today().isoformat(), **findings.record()}
    write_json(root / f"reports/search_proof_{options.name}.json", content)
    with writing(root / f"reports/search_proof_{options.name}.png") as part:
        part.write_bytes(png(findings.picture()))
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}\n\n{findings.markdown()}")
    return 0


if __name__ == "__main__":
    sys.exit(run(Path(), sys.argv[1:]))
