"""The documents, and the commands that they show."""

import re

from docs.architecture import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "experiments")
    for path in (ROOT / folder).glob("*.md")
)
PROGRAMS = ("make", "dvc", "python", "pip", "pre-commit", "source", "ray", "mlflow", "sbatch", "kubectl")
NOT_RUN = {  # command -> why tests/end_to_end/test_pipeline.py does not run it
    "make demo": ".ci/run runs it",
    "make check": ".ci/run runs it",
    "make test-all": ".ci/run runs it",
    "make test": "runs this test",
    "make install": "the first step of all others",
    "make repro": "takes most of an hour and downloads data sets",
    "make bench": "takes half an hour",
    "python -m benchmarks.larger_than_memory": "writes 3 GB; a test runs a small one",
    "python -m benchmarks.larger_than_memory --gb 20 --limit 4": "writes 20 GB",
    "python -m benchmarks.search_proof digits --workers 1": "takes a quarter of an hour",
    "python -m benchmarks.search_proof digits": "tests/benchmarks/test_search_proof.py runs a small one",
    "python -m benchmarks.search_proof mnist --no-training": "needs MNIST, trained",
    "python -m benchmarks.search_proof mnist --workers 3": "takes hours",
    "make ui": "runs until it is stopped; tests/tracking/test_ui.py starts what it starts",
    "python -m docs.draw_mlflow digits": "draws pictures of docs/; tests/tracking/test_ui.py takes the same way",
    "python -m pipeline new dataset shapes --folder ../shapes": "tests/test_new.py writes one",
    "python -m pipeline new experiment NAME": "tests/test_new.py writes one",
    "dvc repro explore@shapes": "needs a folder of images; tests/end_to_end/test_own_images.py runs it",
    "dvc repro report@shapes": "needs a folder of images; tests/stages/test_own_images.py prepares one",
    "make architecture": "tests/test_docs.py calls what it calls",
    "source .venv/bin/activate": "tests have an environment of their own",
    "pre-commit install": "changes the repository; make check runs the same tools",
    'pip install ".[pretrained]"': "needs the internet",
    'pip install ".[ray]"': "needs the internet",
    'pip install ".[medical]"': "needs the internet",
    'pip install ".[medmnist]"': "needs the internet",
    "dvc repro": "the fixture of tests/end_to_end/test_pipeline.py runs it",
    "dvc repro report@mnist": "downloads MNIST",
    "dvc repro report@mnist_grid": "downloads MNIST",
    "dvc repro split@stripes": "tests/datasets/test_contributing_example.py runs it",
    "python -m pytest -n 0 tests/models tests/training -k separable": "selects nothing before the example is added",
    'python -m pytest -n 0 -m "slow or not slow" tests/search -k nsga2': "selects nothing before the example is added",
    "python -m pytest -rxX --xfail-tb tests/training/test_small_inputs.py -k plain_torch": "is part of the suite",
    "python -m pipeline search mine --adopt STUDY": "needs changed code; tests/search/test_study.py adopts",
    "ray start --head": "tests/execution/test_ray.py starts a cluster of its own",
    "ray start --address HEAD:6379": "tests/execution/test_ray.py starts a cluster of its own",
    "mlflow server": "runs until it is stopped",
    "mlflow models serve": "runs until it is stopped; tests/test_champion.py starts it",
    "sbatch search.sh": "needs SLURM",
    "kubectl apply -f search.yaml": "needs Kubernetes",
}


def text_of(document: str) -> str:
    """Return the text of a document."""
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[tuple[str, str]]:
    """Return language and content of the code blocks of a document."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text_of(document), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return the commands of all documents, without their comments: lines of code blocks, and inline code."""
    lines = []
    for document in DOCUMENTS:
        for language, block in blocks(document):
            lines += block.splitlines() if language == "bash" and not block.startswith("#!") else []
        prose = re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
        lines += re.findall(r"`([^`\n]+)`", prose)
    shown = {line.partition(" #")[0].strip() for line in lines}
    return sorted(line for line in shown if line.startswith(tuple(f"{program} " for program in PROGRAMS)))
