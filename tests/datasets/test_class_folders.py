"""Which folder of a path is the class: layouts of public data sets, and files that are no images."""

import pytest

from pipeline.core.errors import DataError
from pipeline.datasets.class_folders import Place, by_number, is_junk, places

LAYOUTS = {  # paths -> label and part of each
    "classes at the top": {"cat/1.png": ("cat", ""), "dog/2.png": ("dog", "")},
    "one root folder": {"pets/cat/1.png": ("cat", ""), "pets/dog/2.png": ("dog", "")},
    "two root folders": {"v2/pets/cat/1.png": ("cat", ""), "v2/pets/dog/2.png": ("dog", "")},
    "parts above classes": {
        "x/train/cat/1.png": ("cat", "train"),
        "x/Validation/cat/2.png": ("cat", "val"),
        "x/test/dog/3.png": ("dog", "test"),
    },
    "a folder per patient below classes": {
        "cat/p1/1.png": ("cat", ""),
        "cat/p2/b/2.png": ("cat", ""),
        "dog/p3/3.png": ("dog", ""),
    },
    "files next to folders": {"x/cat/1.png": ("cat", ""), "x/dog/2.png": ("dog", ""), "x/loose.png": (None, "")},
    "composed and decomposed letters": {
        "a/café/1.png": ("café", ""),
        "a/cafe\u0301/2.png": ("café", ""),
        "a/thé/3.png": ("thé", ""),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("named", [False, True])
def test_layouts(layout: str, named: bool) -> None:
    expected = {path: Place(*place) for path, place in LAYOUTS[layout].items()}
    classes = {place.label for place in expected.values() if place.label} if named else None
    assert places(expected, classes) == expected


def test_what_is_no_image_is_left_out() -> None:
    junk = [
        "__MACOSX/cat/._1.png",
        "cat/.DS_Store",
        "cat/Thumbs.db",
        ".git/cat/1.png",
        "cat/._2.png",
        "dog/desktop.ini",
    ]
    assert all(is_junk(path) for path in junk)
    placed = places(["cat/1.png", "dog/2.jpeg", "README.md", "notes/labels.csv", *junk], {"cat", "dog"})
    assert list(placed) == ["cat/1.png", "dog/2.jpeg"]
    assert list(places(["cat/notes.txt"], {"cat"})) == ["cat/notes.txt"]  # in a class folder every file is an image


def test_a_folder_next_to_parts_is_no_class() -> None:
    paths = ["x/train/cat/1.png", "x/test/dog/2.png", "x/extra/cat/3.png"]
    with pytest.raises(DataError, match="extra: next to the parts test, train; move them, or set `classes`"):
        places(paths, None)
    assert places(paths, {"cat", "dog"})["x/extra/cat/3.png"] == Place("cat", "")


def test_one_class_folder_is_none() -> None:
    assert places(["cat/1.png", "cat/2.png"], None) == {path: Place(None, "") for path in ("cat/1.png", "cat/2.png")}


def test_numbers_are_sorted_by_value() -> None:
    assert sorted(["10", "9", "a2", "a10", "1"], key=by_number) == ["1", "9", "10", "a2", "a10"]
