"""search: finds the best configuration of an experiment's space on the development part.

data/split/<dataset>/development, experiments/<e>.yaml -> data/search/<e>/{trials.csv,curves.csv,best.yaml,study.json}
"""

from pipeline.search.search import search as run

__all__ = ["run"]
