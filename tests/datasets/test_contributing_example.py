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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the package and add the two blocks of CONTRIBUTING."""
    code = re.search(r"`(pipeline/datasets/\w+\.py)`:\n```python\n(.*?)```", SECTION, re.DOTALL)
    values = re.search(r"```yaml\ndatasets:\n(.*?)```", SECTION, re.DOTALL)
    assert code
    assert values
    assert code[2].count("\n") <= 30
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / code[1]).write_text(code[2], encoding="utf-8")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert params.count("\ndatasets:\n") == 1
    (tmp_path / "params.yaml").write_text(params.replace("\ndatasets:\n", f"\ndatasets:\n{values[1]}"))
    return tmp_path


def test_the_example_of_contributing_runs_to_its_parts(project: Path) -> None:
    members = [
        (f"stripes-1.0/images/{kind}/{k:02d}.png", stripes(k, kind))
        for kind in ("horizontal", "vertical")
        for k in range(N_PER_CLASS)
    ]
    pack(project / "mirror/stripes/stripes-1.0.tar.gz", members)
    for stage in ("download", "prepare", "split"):
        command = [sys.executable, "-m", "pipeline", stage, "stripes"]
        environment = {**os.environ, "DATA_MIRROR": str(project / "mirror")}
        subprocess.run(command, cwd=project, env=environment, check=True)
    layout = Layout(project)
    assert Samples.read(layout.prepared("stripes")).images.shape == (2 * N_PER_CLASS, 32, 32, 1)
    parts = Samples.read(layout.development("stripes")).info.parts
    assert {name: part.images for name, part in parts.items()} == {"train": 28, "val": 6, "test": 6}
