"""What people run besides the stages of dvc.yaml.

Imports `core`, `experiment`, `search` and `evaluation`.
"""

__all__ = ["check_space", "layers", "publish", "schema"]
