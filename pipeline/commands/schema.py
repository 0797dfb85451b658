"""Print the JSON schema of experiment files."""

import json

from pipeline.experiment.json_schema import experiment_schema


def run() -> None:
    """Print the schema; `make install` writes it to experiments/schema.json."""
    print(json.dumps(experiment_schema(), indent=2))
