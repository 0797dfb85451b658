"""The examples of CONTRIBUTING.md, as written."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = 30


def examples(section: str) -> dict[str, str]:
    """Return the Python files that a section shows: path -> text."""
    text = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    )
    return dict(re.findall(r"`([\w/]+\.py)`:\n```python\n(.*?)```", text, re.DOTALL))
