"""prepare: files or arrays → one array and one table in canonical order, copies and patients joined into groups."""

from collections import Counter

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.datasets import preparation
from pipeline.datasets.description import read_dataset
from pipeline.datasets.duplicates import group_rows


def run(layout: Layout, name: str) -> None:
    """Check files and content, decode every image, and group the copies."""
    dataset = read_dataset(layout.root, name)
    digests = dataset.check_files(layout.raw(name))
    pictures = preparation.read_pictures(dataset, layout.root)
    digests |= dataset.check_content(pictures.read)
    images, compared = pictures.images(dataset.about.image.channels), pictures.compared()
    copies = group_rows(compared, dataset.duplicates.max_bits, dataset.duplicates.hash_size)
    classes = dataset.class_names(Counter(pictures.labels))
    table = preparation.sample_table(pictures, classes, copies=copies)
    counts = preparation.count_samples(table, compared)
    if dataset.about.image.standardise:
        counts["cropped_images"] = sum(picture.cropped for picture in pictures.decoded)
    height, width, n_channels = images.shape[1:]
    info = preparation.dataset_info(
        dataset, pictures, classes=classes, shape=(height, width, n_channels), digests=digests, counts=counts
    )
    Samples(images, table, info).write(layout.prepared(name))
    if (
        dataset.source.has_files
    ):  # in which copies in other data sets are sought: the same size and values in all of them
        plain = info.model_copy(update={"image_shape": compared.shape[1:], "fit": "squash", "standardise": False})
        Samples(compared, table, plain).write(layout.compared(name))
