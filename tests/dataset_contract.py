"""What every data set must declare."""

from pipeline.datasets.registry import DatasetSpec


def check_contract(spec: DatasetSpec) -> None:
    """Check everything that is known before the download."""
    published = spec.published
    assert len(set(spec.classes)) == len(spec.classes) >= 2
    assert all(spec.reference.__dict__.values()), "whom to cite, where it is from, and its terms"
    if spec.positive:
        assert set(spec.positive.names) < set(spec.classes)
        assert spec.positive.names
        assert spec.positive.meaning
    for file in published.files:
        assert file.url.startswith(("https://", "package:"))
        assert file.url.endswith("/" + file.name)
    # what is not fixed byte for byte must be checked by content
    assert published.expected_digests()
    assert all(len(sha256) == 64 for sha256 in published.expected_digests().values())
    assert all(file.sha256 for file in published.files) or (published.digests and len(published.files) == 1)
    assert set(published.n_images) in ({""}, {"train", "test"})
    assert min(published.n_images.values()) > 0
    assert "train" in published.n_images or not spec.keeps_official_test
    if spec.native_shape:
        height, width, n_channels = spec.native_shape
        assert height == width
        assert n_channels in (1, 3)
