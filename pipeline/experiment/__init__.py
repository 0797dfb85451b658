"""The language of an experiment file: search space, sampler, pruner, and the JSON schema.

Imports `core`, `artifacts` and `training`.
"""

__all__ = ["experiment", "fidelity", "json_schema", "reader", "registry", "samplers", "space"]
