"""Archives for tests."""

import io
import tarfile
from pathlib import Path


def pack(path: Path, members: list[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """Write a .tar.gz of the given members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
