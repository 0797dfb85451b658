"""From raw images to numbers that you can defend: download, split, search, evaluate, report."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # importing mlflow starts its telemetry unless this is set
