"""Images of a user: a folder, a table with patients, an archive, parts that exist already; from files to parts."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from described import describe
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError, DataError
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download, prepare, split

N = 30  # images of each class


def shape(k: int, kind: str, colour: bool = True) -> bytes:
    """Draw a disc or a square on noise, no two alike."""
    rng = np.random.default_rng([k, kind == "round"])
    image = Image.fromarray(rng.integers(0, 90, (40, 50, 3), np.uint8))
    x, y = rng.integers(5, 15, 2)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if kind == "round" else draw.rectangle)((x, y, x + 20, y + 20), fill=(200, 40, 40))
    buffer = io.BytesIO()
    (image if colour else image.convert("L")).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


SHAPES = {f"{kind}/{k:02d}.png": shape(k, kind) for kind in ("round", "square") for k in range(N)}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Samples]]:
    """Return a function that takes the keys of data/own.yaml, runs the three stages, and returns the parts."""

    def stages(watched: Path, **keys: object) -> dict[str, Samples]:
        layout = Layout(tmp_path / "project")
        describe(layout.root, "own", **keys)
        download.run(layout, "own", str(watched), DownloadSettings(timeout_s=1, retries=0))
        prepare.run(layout, "own")
        split.run(layout, "own")
        return {"development": Samples.read(layout.development("own")), "test": Samples.read(layout.test("own"))}

    return stages


def test_a_folder_stays_in_colour(tmp_path: Path, run: Callable[..., dict[str, Samples]]) -> None:
    folder = write(tmp_path / "shapes", SHAPES | {"round/.DS_Store": b"x", "__MACOSX/round/._00.png": b"x"})
    parts = run(folder, source={"folder": str(folder)})
    info = parts["test"].info
    assert info.classes == ["round", "square"]
    assert info.image_shape == (64, 64, 3)
    assert info.counts["images"] == 2 * N
    assert {name: part.images for name, part in info.parts.items()} == {"train": 42, "val": 10, "test": 8}
    red, green = parts["development"].images[..., 0].max(), parts["development"].images[..., 1].max()
    assert red > 190 > 120 > green


def test_grey_files_stay_grey_and_sizes_follow_the_file(tmp_path: Path, run: Callable[..., dict[str, Samples]]) -> None:
    folder = write(tmp_path / "shapes", {path: shape(k, path[:5], colour=False) for k, path in enumerate(SHAPES)})
    info = run(folder, source={"folder": str(folder)}, image={"px": [20, 25], "fit": "pad"})["test"].info
    assert info.image_shape == (20, 25, 1)


def test_patients_of_a_table_are_in_one_part(tmp_path: Path, run: Callable[..., dict[str, Samples]]) -> None:
    folder = write(tmp_path / "cases", {f"images/{path}": data for path, data in SHAPES.items()})
    rows = [
        {"file": f"images/{path}", "diagnosis": path.split("/")[0], "patient": f"P{k // 3 % 10}-{path[0]}"}
        for k, path in enumerate(SHAPES)
    ]
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    source = {"table": str(folder / "cases.csv"), "image": "file", "label": "diagnosis", "group": "patient"}
    parts = run(folder, source=source)
    table = pd.concat([part.table for part in parts.values()])
    assert table.groupby("patient")["part"].nunique().max() == 1
    assert table["patient"].nunique() == 20
    assert parts["test"].info.counts["images_of_known_patients"] == 2 * N
    assert parts["test"].info.counts["groups"] == 20


def test_patients_in_the_names_of_files(tmp_path: Path, run: Callable[..., dict[str, Samples]]) -> None:
    named = {f"{path[:-6]}patient{int(path[-6:-4]) % 10}_{path[-6:]}": data for path, data in SHAPES.items()}
    folder = write(tmp_path / "shapes", named)
    keys = {"source": {"folder": str(folder)}, "group": {"pattern": r"(round/patient\d+|square/patient\d+)_"}}
    table = pd.concat([part.table for part in run(folder, **keys).values()])
    assert table["patient"].nunique() == 20
    assert table.groupby("patient")["part"].nunique().max() == 1
    with pytest.raises(ConfigError, match=r"positive\.classes: rond: not among the classes round, square"):
        run(folder, source={"folder": str(folder)}, positive={"classes": ["rond"]})


def test_parts_that_exist_are_kept_but_for_what_they_share(
    tmp_path: Path, run: Callable[..., dict[str, Samples]], capsys: pytest.CaptureFixture[str]
) -> None:
    order = [path for k in range(N) for path in (f"round/{k:02d}.png", f"square/{k:02d}.png")]
    part_of = {path: "test" if k < 12 else "valid" if k < 20 else "train" for k, path in enumerate(order)}
    files = {f"{part}/{path}": SHAPES[path] for path, part in part_of.items()}
    folder = write(tmp_path / "shapes", files | {"train/round/copy.png": SHAPES["round/00.png"]})
    parts = run(folder, source={"folder": str(folder)})
    info = parts["test"].info
    assert info.keeps_official_test
    assert {name: part.images for name, part in info.parts.items()} == {"train": 40, "val": 8, "test": 12}
    assert info.dropped["official_train_also_in_test"] == 1
    assert "own: 1 images are in no part: official train also in test" in capsys.readouterr().out


def test_an_archive_on_this_machine(tmp_path: Path, run: Callable[..., dict[str, Samples]]) -> None:
    path = tmp_path / "shapes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in SHAPES.items():
            archive.writestr(f"shapes/{name}", data)
    info = run(path, source={"archive": str(path)}, classes={"round": "disc", "square": "box"})["test"].info
    assert info.classes == ["disc", "box"]
    assert info.counts["images"] == 2 * N


def test_scans_of_12_bits_are_recognised(
    tmp_path: Path, run: Callable[..., dict[str, Samples]], capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    files = {}
    for k, path in enumerate(SHAPES):
        buffer = io.BytesIO()
        values = rng.integers(0, 4000 + 95 * (k == 7), (30, 30)).astype(np.uint16)
        Image.fromarray(values).save(buffer, "PNG")
        files[path] = buffer.getvalue()
    folder = write(tmp_path / "scans", files)
    parts = run(folder, source={"folder": str(folder)}, image={"px": 30})
    assert "so 4,095 is white (image.white)" in capsys.readouterr().out
    assert parts["test"].info.white == 4095
    assert parts["test"].images.shape[1:] == (30, 30, 1)
    assert parts["development"].images.max() > 230


def test_folders_that_do_not_match_are_listed_once(tmp_path: Path, run: Callable[..., dict[str, Samples]]) -> None:
    folder = write(tmp_path / "shapes", SHAPES)
    with pytest.raises(DataError) as error:
        run(folder, source={"folder": str(folder)}, classes=["round", "triangle"])
    assert len(error.value.problems) == N  # of square: in no class folder
    table = pd.DataFrame({"image": list(SHAPES), "label": [path.split("/")[0] for path in SHAPES]})
    table.to_csv(folder / "all.csv", index=False)
    with pytest.raises(DataError) as error:
        run(folder, source={"table": str(folder / "all.csv")}, classes=["round", "triangle"])
    assert error.value.problems == [f"'square': {N} images; not among the classes round, triangle"]


def test_a_missing_folder_a_missing_file_and_a_missing_column(
    tmp_path: Path, run: Callable[..., dict[str, Samples]]
) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        run(tmp_path / "nowhere", source={"folder": str(tmp_path / "nowhere")})
    folder = write(tmp_path / "cases", SHAPES)
    pd.DataFrame({"image": ["round/00.png", "gone.png"], "label": ["a", "b"]}).to_csv(folder / "a.csv", index=False)
    with pytest.raises(DataError) as error:
        run(folder, source={"table": str(folder / "a.csv")})
    assert error.value.problems == ["gone.png: cannot be read: No such file or directory"]
    with pytest.raises(DataError, match="has the columns image, label") as error:
        run(folder, source={"table": str(folder / "a.csv"), "label": "lable"})
    assert error.value.problems == ["no column 'lable'; did you mean 'label'?"]


def test_a_val_part_alone_is_kept_and_arrays_of_two_sizes_are_refused(
    tmp_path: Path, run: Callable[..., dict[str, Samples]]
) -> None:
    folder = write(
        tmp_path / "shapes", {f"{'val' if int(p[-6:-4]) < 6 else 'train'}/{p}": d for p, d in SHAPES.items()}
    )
    info = run(folder, source={"folder": str(folder)})["test"].info
    assert not info.keeps_official_test
    assert info.parts["val"].images == 12
    images = {f"{part}_images": np.zeros((4, px, px), np.uint8) for part, px in (("train", 28), ("test", 32))}
    np.savez(tmp_path / "a.npz", **images, train_labels=np.arange(4) % 2, test_labels=np.arange(4) % 2)
    with pytest.raises(DataError) as error:
        run(tmp_path / "a.npz", source={"npz": str(tmp_path / "a.npz")})
    reason = "all images must have the size of the first, (28, 28, 1), got (32, 32, 1)"
    assert error.value.problems == [f"test_images#{k}: {reason}" for k in range(4)]
