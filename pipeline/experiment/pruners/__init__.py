"""One file per pruner; see `pipeline.experiment.registry`."""
