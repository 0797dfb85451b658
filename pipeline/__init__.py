"""From raw images to numbers one can defend: download, split, search, evaluate, report."""
