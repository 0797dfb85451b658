"""Print the JSON schema of experiment files."""

import json

from pipeline.experiment.json_schema import experiment_schema


def run() -> None:
    print(json.dumps(experiment_schema(), indent=2))
