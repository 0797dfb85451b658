"""The registry: contract of every data set, look-up, and checks of files and content."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataset_contract import check_contract
from pipeline.core.errors import DataError
from pipeline.datasets.registry import RawImage, check_content, check_files, find_spec, register, specs
from pipeline.params import read_params

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml")


def test_the_data_sets_of_the_project_are_registered():
    assert PARAMS.datasets
    assert set(PARAMS.datasets) <= set(specs())


@pytest.mark.parametrize("name", sorted(specs()))
def test_contract(name):
    assert find_spec(name).name == name
    check_contract(find_spec(name))


def test_a_failed_lookup_lists_the_known_names():
    with pytest.raises(DataError, match=f"no data set 'mnits'; known are {', '.join(sorted(specs()))}"):
        find_spec("mnits")


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'digits' is registered twice"):
        register(specs()["digits"])


def test_a_wrong_digest_is_shown_with_the_published_one():
    published = specs()["mnist"].published
    assert published.wrong_digests(published.expected_digests()) == []
    published = specs()["brain_mri"].published
    [problem] = published.wrong_digests({"images": "00"})
    assert problem == f"images: sha256 must be {published.digests['images']}, got 00"


def test_missing_files_are_listed(tmp_path):
    with pytest.raises(DataError) as error:
        check_files(specs()["mnist"], tmp_path)
    assert len(error.value.problems) == 4


def test_missing_images_are_counted():
    digits = specs()["digits"]
    records = [RawImage("a", "", 0, "00" * 32, b"")]
    published = replace(digits.published, digests=digits.published.content_digests(records))
    with pytest.raises(DataError) as error:
        check_content(replace(digits, published=published), records)
    assert error.value.problems == ["images per official part: must be {'': 1797}, got {'': 1}"]
