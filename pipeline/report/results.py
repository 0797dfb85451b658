"""What a report is made of: the artifacts of one experiment, and the analyses that several sections share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.artifacts.cross_validation import CrossValidation
from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.robustness import Robustness
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.seeds import derive_seed
from pipeline.report.analysis.decision import Decision, decide
from pipeline.report.analysis.scoring import Comparison, PartScores, Resampling, compare, score_test_part
from pipeline.report.settings import ReportSettings
from pipeline.statistics.significance import SIGN_FLIPS


@dataclass(frozen=True, eq=False)  # compared by identity: a section may cache an analysis per results
class Results:
    """One experiment, as a section sees it."""

    experiment: str
    search: SearchResult
    search_runs: SearchRuns
    evaluation: Evaluation
    evaluation_runs: EvaluationRuns
    explanations: Explanations
    cross_validation: CrossValidation
    robustness: Robustness
    settings: ReportSettings
    tracking_uri: str | None  # of MLflow; None: the database of the project

    @classmethod
    def read(
        cls, layout: Layout, experiment: str, settings: ReportSettings, tracking_uri: str | None = None
    ) -> "Results":
        """Read all artifacts of the experiment. Raises DataError if one is missing or damaged."""
        folder = layout.evaluate(experiment)
        evaluation = Evaluation.read(folder)
        return cls(
            experiment,
            search=SearchResult.read(layout.search(experiment)),
            search_runs=SearchRuns.read(layout.search_runs(experiment)),
            evaluation=evaluation,
            evaluation_runs=EvaluationRuns.read(layout.evaluation_runs(experiment)),
            explanations=Explanations.read(folder / "explanations", evaluation),
            cross_validation=CrossValidation.read(folder / "folds"),
            robustness=Robustness.read(folder, evaluation),
            settings=settings,
            tracking_uri=tracking_uri,
        )

    @property
    def test_n(self) -> str:
        """Return the number of units of the test part as captions name it."""
        return f"n = {self.scores.n_groups:,} units of test"

    @property
    def objective(self) -> str:
        """Return the score that the search maximised on val."""
        return self.search.study.objective

    def resampling(self, purpose: str, draws: int) -> Resampling:
        """Return draws with a generator that no other purpose or experiment shares."""
        return Resampling(draws, np.random.default_rng(derive_seed(self.settings.seed, purpose, self.experiment)))

    @cached_property
    def scores(self) -> PartScores:
        """Scores of winner and baseline on the test part."""
        return score_test_part(self.evaluation)

    @cached_property
    def comparison(self) -> Comparison:
        """The winner against the baseline on the test part."""
        return compare(self.evaluation, self.resampling("comparison", SIGN_FLIPS))

    @cached_property
    def decisions(self) -> dict[str, Decision]:
        """Decisions at the frozen thresholds by model; empty without positive classes."""
        return {model: self.decide(model) for model in (MODELS if self.evaluation.positive else ())}

    @cached_property
    def champion_decision(self) -> Decision | None:
        """The decision of the weights that one downloads; None without positive classes."""
        champion = self.evaluation.runs("winner").index(self.evaluation.info.champion)
        return self.decide("winner", run=champion) if self.evaluation.positive else None

    def decide(self, model: str, at: float | None = None, run: int | None = None) -> Decision:
        """Return the decision at the main prevalence. at, run: see `decide`."""
        screening = self.settings.screening
        return decide(
            self.evaluation,
            model,
            prevalence_per_100k=screening.prevalence_per_100k,
            n_screened=screening.n_screened,
            at=at,
            run=run,
        )
