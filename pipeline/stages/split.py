"""split: whole groups → train, val and test; the test part becomes an output of its own."""

import numpy as np

from pipeline.artifacts.image_rows import ImageRows
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import DEVELOPMENT, Samples, write_samples
from pipeline.core.files import check_space
from pipeline.datasets.splitting import check_parts, part_sizes, split_groups

FEW_GROUPS = 10  # of a class in val or test: below, an interval of a rate spans half of its range


def run(layout: Layout, name: str) -> None:
    """Split the prepared images, and say which images of a published split it moves or drops."""
    samples = Samples.read(layout.prepared(name))
    classes, is_official = samples.info.classes, samples.info.keeps_official_test
    table = samples.table.copy()
    dropped = split_groups(table, samples.info.split, keeps_official_test=is_official)
    for reason, n in dropped.items():
        if n:
            hint = "; if these are no copies, lower duplicates.max_bits" if reason == "label_conflict" else ""
            print(f"{name}: {n:,} images are in no part: {reason.replace('_', ' ')}{hint}")
    check_parts(table, classes)
    drawn = {
        "parts": part_sizes(table, classes),
        "dropped": dropped,
        "split_seed": None if is_official else samples.info.split.seed,
    }
    info = samples.info.model_copy(update=drawn)
    sizes = ", ".join(f"{part} {size.images:,} ({size.groups:,})" for part, size in info.parts.items())
    print(f"{name}: images (groups): {sizes}")
    for part in ("val", "test"):
        if (n := min(each.groups for each in info.parts[part].classes.values())) < FEW_GROUPS:
            print(f"{name}: {part} has a class of {n} groups: intervals will be wide; raise split.{part} or add data")
    check_space(layout.split(name), samples.images.nbytes)
    for folder, parts in ((layout.development(name), DEVELOPMENT), (layout.test(name), ("test",))):
        rows = np.flatnonzero(table["part"].isin(parts))
        write_samples(folder, ImageRows(samples.images, rows), table.iloc[rows], info)
