"""The data set that CONTRIBUTING.md adds, as written: found automatically, downloaded, prepared and split."""

import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from packing import pack
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## A data set\n")[2].partition("\n## ")[0]
N_PER_CLASS, SIDE_PX = 20, 24


def png(rows: list[bytes]) -> bytes:
    """Encode grey rows without compression, so that no version of zlib changes a byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    raw = b"".join(b"\0" + row for row in rows)
    stored = (
        b"\x78\x01\x01" + struct.pack("<HH", len(raw), len(raw) ^ 0xFFFF) + raw + struct.pack(">I", zlib.adler32(raw))
    )
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", stored) + chunk(b"IEND", b"")


def stripes(k: int, kind: str) -> bytes:
    """Draw stripes whose grey is 5 k + 100, a picture of its own for each k."""
    line = bytes(5 * k + 100 if i % 8 < 4 else 0 for i in range(SIDE_PX))
    return png([line] * SIDE_PX if kind == "vertical" else [bytes([grey]) * SIDE_PX for grey in line])


def example(path: str, language: str) -> str:
    """Return a block of the section as it is printed."""
    [block] = re.findall(rf"`{re.escape(path)}`:\n```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert block.count("\n") <= 30
    return str(block)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the package and add the blocks of CONTRIBUTING."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/stripes.yaml").write_text(example("data/stripes.yaml", "yaml"))
    pgm = "pipeline/datasets/sources/pgm.py"
    (tmp_path / pgm).write_text(example(pgm, "python"))
    lines = example("params.yaml", "yaml") + "  scans: scans\n"
    params = re.sub(r"^datasets:.*\n", lines, (ROOT / "params.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / "params.yaml").write_text(params)
    return tmp_path


def run(project: Path, name: str) -> Layout:
    for stage in ("download", "prepare", "split"):
        command = [sys.executable, "-m", "pipeline", stage, name]
        environment = {**os.environ, "DATA_MIRROR": str(project / "mirror"), "PYTHONPATH": str(project)}
        subprocess.run(command, cwd=project, env=environment, check=True)
    return Layout(project)


def test_the_example_of_contributing_runs_to_its_parts(project: Path) -> None:
    members = [
        (f"stripes-1.0/images/{kind}/{k:02d}.png", stripes(k, kind))
        for kind in ("horizontal", "vertical")
        for k in range(N_PER_CLASS)
    ]
    pack(project / "mirror/stripes/stripes-1.0.tar.gz", members)
    layout = run(project, "stripes")
    assert Samples.read(layout.prepared("stripes")).images.shape == (2 * N_PER_CLASS, 32, 32, 1)
    parts = Samples.read(layout.development("stripes")).info.parts
    assert {name: part.images for name, part in parts.items()} == {"train": 28, "val": 6, "test": 6}


@pytest.mark.slow
def test_the_kind_of_source_of_contributing_is_found(project: Path) -> None:
    (project / "data/scans.yaml").write_text("source: {pgm: scans}\n")
    (project / "scans").mkdir()
    for k in range(2 * N_PER_CLASS):
        pixels = " ".join(str((k * 7 + i * 13) % 256) for i in range(16))
        (project / f"scans/{'bright' if k % 2 else 'dark'}_{k}.pgm").write_text(f"P2\n4 4\n255\n{pixels}\n")
    samples = Samples.read(run(project, "scans").prepared("scans"))
    assert samples.info.classes == ["bright", "dark"]
    assert samples.images.shape == (2 * N_PER_CLASS, 4, 4, 1)
