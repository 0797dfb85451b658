"""Generated samples have the form of a development folder."""

from pathlib import Path

from benchmarks.generated import generated, write_development
from pipeline.artifacts.samples import Samples


def test_generated_images_are_a_development_folder(tmp_path: Path) -> None:
    samples = Samples.read(write_development(tmp_path, 24, (4, 6, 3)))
    assert samples.images.shape == (24, 4, 6, 3)
    assert (len(samples.part("train")[0]), len(samples.part("val")[0])) == (21, 3)
    assert generated(5, 2, (4, 6, 3)).table["part"].tolist() == [*["train"] * 5, *["val"] * 2]
