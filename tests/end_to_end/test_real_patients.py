"""Patients of the published MRI sets: in one part, in one fold, and never predicted by a model that saw them.

Needs the published files, from the internet or from $DATA_MIRROR: python -m pytest -m network
"""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipeline.artifacts.cross_validation import GROUP
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.cross_validation import draw_folds
from pipeline.params import read_params
from pipeline.stages import download, prepare, split

ROOT = Path(__file__).parents[2]
KNOWN = {  # images of known patients by class
    "brain_mri": {"tumor": 846},
    "brain_mri_types": {"glioma": 844, "meningioma": 679, "pituitary": 822},
}


@pytest.mark.network
@pytest.mark.parametrize("name", KNOWN)
def test_no_patient_is_in_two_parts_or_seen_by_the_model_that_predicts_it(name: str, tmp_path: Path) -> None:
    params, layout = read_params(ROOT / "params.yaml"), Layout(tmp_path)
    mirrors = [os.environ["DATA_MIRROR"]] if "DATA_MIRROR" in os.environ else []
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / f"data/{name}.yaml", tmp_path / "data")
    download.run(layout, name, params.datasets[name], params.download.model_copy(update={"mirrors": mirrors}))
    prepare.run(layout, name)
    split.run(layout, name)
    development, test = Samples.read(layout.development(name)), Samples.read(layout.test(name))

    table = pd.concat([development.table, test.table])
    known = table[table["patient"] != ""]
    everything = Samples.read(layout.prepared(name)).table
    counts = everything[everything["patient"] != ""].groupby("class").size()
    for label, n in KNOWN[name].items():
        assert abs(sum(counts[c] for c in counts.index if c.startswith(label)) - n) <= 3
    assert (known.groupby("patient")["part"].nunique() == 1).all()

    folds = [fold for fold in draw_folds(development, test, params.evaluate.folds, 1) if fold.by == GROUP]
    assert len(folds) == params.evaluate.folds
    predicted = 0
    for fold in folds:
        of_fold = fold.samples.table
        held_out, seen = of_fold[of_fold["part"] == "test"], of_fold[of_fold["part"] != "test"]
        assert not set(held_out["patient"]) & set(seen["patient"]) - {""}
        assert not set(held_out["copies"]) & set(seen["copies"])
        predicted += len(held_out)
    assert predicted == len(table)
