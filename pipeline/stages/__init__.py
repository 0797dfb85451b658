"""One module per stage of dvc.yaml: `run(...)` reads the inputs, calls nouns, writes the outputs."""
