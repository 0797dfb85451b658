"""One file per sampler; see `pipeline.experiment.registry`."""
