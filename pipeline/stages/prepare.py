"""prepare: packed files → one array and one table in canonical order, copies and patients joined into groups."""

import numpy as np

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.datasets import preparation
from pipeline.datasets.duplicates import group_rows
from pipeline.datasets.registry import check_content, check_files, find_spec


def run(layout: Layout, dataset: str, settings: preparation.PrepareSettings) -> None:
    """Check the published files and their content, decode every image, and group the copies."""
    spec = find_spec(dataset)
    raw = layout.raw(dataset)
    preparation.check_image_px(spec, settings.image_px)
    digests = check_files(spec, raw)
    records, pictures = preparation.read_pictures(spec, raw, settings.image_px)
    digests |= check_content(spec, records)
    images = np.stack([picture.pixels for picture in pictures])  # (N, H, W, C)
    # copies are found in published pixels, or in pictures of a fixed size
    compared = images if spec.native_shape else np.stack([picture.compared for picture in pictures])
    copies = group_rows(compared, settings.near_duplicate_bits, settings.hash_size)
    table = preparation.sample_table(spec, records, pictures, copies=copies)
    counts = preparation.count_samples(table, compared)
    info = preparation.dataset_info(spec, settings, digests=digests, counts=counts)
    Samples(images, table, info).write(layout.prepared(dataset))
