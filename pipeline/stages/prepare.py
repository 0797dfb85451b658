"""prepare: files or arrays → one array and one table in canonical order, copies and patients joined into groups."""

from collections import Counter

from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import write_samples
from pipeline.datasets import preparation
from pipeline.datasets.description import read_dataset
from pipeline.datasets.duplicates import equal_pixels, group_rows
from pipeline.datasets.picture_store import PictureStore


def run(layout: Layout, name: str) -> None:
    """Check files and content, decode every image, and group the copies. Pixels pass through a temporary file."""
    dataset = read_dataset(layout.root, name)
    digests = dataset.check_files(layout.raw(name))
    with PictureStore(layout.prepared(name).parent) as store:
        pictures = preparation.read_pictures(dataset, layout.root, store)
        digests |= dataset.check_content(pictures.read)
        images, compared = pictures.images(dataset.about.image.channels), pictures.compared()
        first = equal_pixels(compared)
        copies = group_rows(compared, first, dataset.duplicates.max_bits, dataset.duplicates.hash_size)
        classes = dataset.class_names(Counter(pictures.labels))
        table = preparation.sample_table(pictures, classes, copies=copies)
        counts = preparation.count_samples(table, first)
        if dataset.about.image.standardise:
            counts["cropped_images"] = sum(picture.cropped for picture in pictures.decoded)
        height, width, n_channels = images.shape[1:]
        info = preparation.dataset_info(
            dataset, pictures, classes=classes, shape=(height, width, n_channels), digests=digests, counts=counts
        )
        write_samples(layout.prepared(name), images, table, info)
        if dataset.source.has_files:  # in which other data sets look for copies: of one size, and not standardised
            plain = info.model_copy(update={"image_shape": compared.shape[1:], "fit": "squash", "standardise": False})
            write_samples(layout.compared(name), compared, table, plain)
