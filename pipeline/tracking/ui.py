"""The pages of MLflow in a browser, opened on training runs."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.core.errors import InputError, PipelineError, first_line
from pipeline.tracking.database import address, open_client, shown_address
from pipeline.tracking.mlflow import TRAINING, UNREACHABLE

PORT = 5000


def show_runs(root: Path, uri: str | None) -> None:
    """Print the addresses that open on the training runs of each data set, and serve the database until Ctrl-C.

    uri: a server, which is running already, so that its addresses are all; None: the database below `root`.
    Raises PipelineError if MLflow is unreachable.
    """
    try:
        experiments = open_client(root, uri).search_experiments(order_by=["name ASC"])
    except UNREACHABLE as error:
        raise PipelineError(f"MLflow at {shown_address(root, uri)} is unreachable: {first_line(error)}") from error
    is_served, port = bool(uri and uri.startswith("http")), _free_port()
    server = shown_address(root, uri).rstrip("/") if is_served else f"http://127.0.0.1:{port}"
    names = {each.experiment_id: each.name for each in experiments if each.name != "Default"}
    for experiment_id, name in names.items():
        print(f"{name}: {server}/#/experiments/{experiment_id}?{TRAINING}", flush=True)
    if not names:
        print(f"no runs yet: {server}/#/experiments?{TRAINING}", flush=True)
    if not is_served:
        _serve(root, address(root, uri), port)


def _serve(root: Path, store: str, port: int) -> None:
    options = {
        "backend-store-uri": store,
        "registry-store-uri": store,
        "host": "127.0.0.1",
        "port": str(port),
        "allowed-hosts": f"127.0.0.1:{port},localhost:{port}",
        "workers": "1",
        "uvicorn-opts": "--log-level=warning",
    }
    command = [sys.executable, "-m", "mlflow", "ui", *(f"--{name}={value}" for name, value in options.items())]
    own = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    server = subprocess.Popen(command, env={**inherited, **own}, cwd=root, start_new_session=True)  # noqa: S603
    with suppress(KeyboardInterrupt):  # Ctrl-C is how one ends it
        server.wait()
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)  # its workers, too


def _free_port() -> int:
    """Return the first free port from PORT on."""
    for port in range(PORT, PORT + 20):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise InputError(f"the ports {PORT} to {PORT + 19} are in use; stop one of their servers")
