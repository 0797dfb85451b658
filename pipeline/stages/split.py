"""split: whole groups → train, val and test; the test part becomes an output of its own."""

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DEVELOPMENT, Samples
from pipeline.datasets.splitting import SplitSettings, check_parts, part_sizes, split_groups


def run(layout: Layout, dataset: str, settings: SplitSettings) -> None:
    """Split the prepared images. A data set that keeps its official test part ignores `settings.test`."""
    samples = Samples.read(layout.prepared(dataset))
    classes, is_official = samples.info.classes, samples.info.keeps_official_test
    table = samples.table.copy()
    dropped = split_groups(table, settings, keeps_official_test=is_official)
    check_parts(table, classes)
    drawn = {
        "parts": part_sizes(table, classes),
        "dropped": dropped,
        "split_seed": None if is_official else settings.seed,
    }
    info = samples.info.model_copy(update=drawn)
    for folder, parts in ((layout.development(dataset), DEVELOPMENT), (layout.test(dataset), ("test",))):
        rows = table["part"].isin(parts).to_numpy()
        Samples(samples.images[rows], table[rows], info).write(folder)
