"""From raw images to numbers that you can defend: download, split, search, evaluate, report."""
