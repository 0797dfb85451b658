"""data/<name>.sha256: the digests of what the first download got, of files whose digest the data set does not state.

The format is that of sha256sum; the names are those below data/raw/<name>.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.errors import ConfigError
from pipeline.core.files import write_text

LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def read_recorded(path: Path) -> dict[str, str]:
    """Return name -> sha256, empty without a file. Raises ConfigError with every line that is no digest and name."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    matches = [LINE.fullmatch(line) for line in lines]
    rule = "must be a sha256, two spaces and the name of a file; delete it to record the digest again"
    if problems := [f"{path}:{i}: {rule}" for i, match in enumerate(matches, 1) if not match]:
        raise ConfigError(f"{path}: lines cannot be read", problems)
    return {match[2]: match[1] for match in matches if match}


def write_recorded(path: Path, digests: Mapping[str, str]) -> None:
    """Write name -> sha256, sorted by name."""
    write_text(path, "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(digests.items())))
