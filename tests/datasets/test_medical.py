"""DICOM and NIfTI files: grey values, windows, slices, and what is refused."""

import base64
import io
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medical_files import compressed, dicom, nifti
from pipeline.core.errors import DataError, InputError
from pipeline.datasets.decoding import Target, decode, scaled, white_of
from pipeline.datasets.image_input import read_image
from pipeline.datasets.medical import dicom_identifier, in_slices
from pipeline.datasets.records import RawImage

pytest.importorskip("pydicom", reason='needs pip install ".[medical]"')
pytest.importorskip("nibabel", reason='needs pip install ".[medical]"')

RAMP = np.arange(64, dtype=np.uint16)[None, :].repeat(48, axis=0) * 65  # (48, 64) from 0 to 4095
TARGET = Target(48, 64, 1)


def pixels(data: bytes, **keys: object) -> np.ndarray:
    """(48, 64) of 8 bits, as the pixels of a data set of this one image."""
    decoded = decode(data, replace(TARGET, **keys))
    return (scaled(decoded.pixels, white_of(decoded.peak)) if decoded.peak else decoded.pixels)[..., 0].astype(int)


def test_values_without_a_window_are_those_of_other_files_of_16_bits() -> None:
    decoded = decode(dicom(RAMP, BitsStored=12, HighBit=11), TARGET)
    assert (decoded.format, decoded.mode, decoded.width, decoded.height) == ("DICOM", "I;16", 64, 48)
    assert decoded.peak == 4095
    assert np.array_equal(pixels(dicom(RAMP)), RAMP.astype(int) * 255 // 4095)
    assert np.array_equal(pixels(dicom(RAMP, preamble=False)), RAMP.astype(int) * 255 // 4095)


def test_rescaled_values_in_the_window_of_the_data_set() -> None:
    data = dicom(RAMP, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=9999, WindowWidth=7)
    units = RAMP[0].astype(int) * 2 - 1024
    row = pixels(data, window=(40, 400))[0]
    assert set(row[units <= -160]) == {0}
    assert set(row[units >= 240]) == {255}
    inside = (units > -160) & (units < 240)
    assert np.abs(row[inside] - 255 * (units[inside] + 160) / 400).max() <= 0.5


def test_the_window_of_the_header_as_the_standard_defines_it() -> None:
    """DICOM PS3.3 C.11.2.1.2.1: center 2048 and width 4096 span 0 to 4095, with y = x / 4095."""
    expected = np.round(RAMP / 4095 * 255).astype(int)
    assert np.array_equal(pixels(dicom(RAMP, WindowCenter=2048, WindowWidth=4096)), expected)
    assert np.array_equal(pixels(dicom(RAMP, WindowCenter=[2048, 9], WindowWidth=[4096, 9])), expected)
    assert np.array_equal(pixels(dicom(RAMP, WindowCenter=2048, WindowWidth=4096), white=100), expected)
    exact = dicom(RAMP, WindowCenter=2047.5, WindowWidth=4095, VOILUTFunction="LINEAR_EXACT")
    assert np.array_equal(pixels(exact), expected)


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_monochrome1_is_inverted(window: dict[str, object]) -> None:
    keys = {"BitsStored": 12, "HighBit": 11, **window}
    dark, bright = (dicom(RAMP, PhotometricInterpretation=f"MONOCHROME{k}", **keys) for k in (1, 2))
    assert np.abs(pixels(dark) + pixels(bright) - 255).max() <= 1
    assert pixels(dark)[0, 0] == 255


def test_8_bits_colour_and_signed_values() -> None:
    grey = np.arange(64, dtype=np.uint8)[None, :].repeat(48, axis=0) * 4
    assert decode(dicom(grey), TARGET).mode == "L"
    assert np.array_equal(pixels(dicom(grey)), grey)
    assert np.array_equal(pixels(dicom(grey, PhotometricInterpretation="MONOCHROME1")), 255 - grey.astype(int))
    red = np.zeros((48, 64, 3), np.uint8) + np.array([200, 30, 30], np.uint8)
    decoded = decode(dicom(red), Target(48, 64, None))
    assert decoded.coloured
    assert np.array_equal(decoded.pixels, red)
    signed = RAMP.astype(np.int16) - 1000
    assert pixels(dicom(signed), window=(0, 100))[0, :9].tolist() == [0] * 9
    with pytest.raises(DataError, match="negative values do not define black"):
        decode(dicom(signed), TARGET)
    assert pixels(dicom(signed), white=3095).max() > 0


RLE, JPEG, JPEG_LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"


def test_compressed_pixels() -> None:
    assert np.array_equal(pixels(compressed(dicom(RAMP), RLE)), pixels(dicom(RAMP)))
    grey = (RAMP // 65 * 4).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=95)
    assert np.abs(pixels(compressed(dicom(grey), JPEG, buffer.getvalue())) - grey.astype(int)).max() <= 2
    with pytest.raises(DataError, match=r"cannot be decoded: .*'JPEG Lossless.*pylibjpeg-libjpeg") as error:
        decode(compressed(dicom(grey), JPEG_LOSSLESS, b"\xff\xd8"), TARGET)
    assert "\n" not in str(error.value)


VOXELS = np.random.default_rng(0).integers(0, 1000, (30, 20, 7)).astype(np.int16)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("version", [1, 2])
def test_the_middle_slice_of_a_volume(packed: bool, version: int) -> None:
    decoded = decode(nifti(VOXELS, packed=packed, version=version), Target(20, 30, 1))
    assert (decoded.format, decoded.width, decoded.height) == ("NIFTI", 30, 20)
    assert np.array_equal(decoded.pixels[..., 0], np.rot90(VOXELS[:, :, 3]))
    assert decoded.pixels[-1, 0, 0] == VOXELS[0, 0, 3]  # X to the right, Y upwards


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32, np.float64])
def test_each_slice_is_decoded_like_its_volume(kind: Any) -> None:
    voxels = (VOXELS % 251).astype(kind) + (0.25 if np.dtype(kind).kind == "f" else 0)
    voxels = voxels.astype(kind)
    voxels[:, :, 5] = 7  # an empty slice
    record = RawImage("a/scan.nii.gz", "train", "a", "00" * 32, nifti(voxels))
    other = RawImage("a/1.png", "", "a", "11" * 32, b"x")
    *slices, last = in_slices([record, other])
    assert last == other
    assert [r.source for r in slices] == [f"a/scan.nii.gz#{k:04d}" for k in (0, 1, 2, 3, 4, 6)]
    assert {(r.volume, r.official_part, r.label) for r in slices} == {("a/scan.nii.gz", "train", "a")}
    assert len({r.sha256 for r in slices}) == 6
    target = Target(20, 30, 1, window=(125, 250))
    assert np.array_equal(decode(slices[3].data, target).pixels, decode(record.data, target).pixels)
    expected = ((np.rot90(voxels[:, :, 6].astype(np.float64)) / 250).clip(0, 1) * 255).round()
    assert np.abs(decode(slices[5].data, target).pixels[..., 0] - expected).max() <= 1


BIG = dicom(np.zeros((4, 4), np.uint8), Rows=30_000, Columns=30_000)
REFUSED = {
    "two frames": (dicom(np.zeros((2, 8, 8), np.uint8), NumberOfFrames=2), "must hold one picture, got 2"),
    "truncated DICOM": (dicom(RAMP)[:-500], "cannot be decoded"),
    "DICM only": (bytes(128) + b"DICM", "holds no picture"),
    "30,000 px": (BIG, "refused, larger than"),
    "colour of 16 bits": (dicom(np.zeros((8, 8, 3), np.uint16)), "colour must have 8 bits"),
    "truncated NIfTI": (nifti(VOXELS, packed=False)[:-500], "cannot be decoded"),
    "truncated .gz": (nifti(VOXELS)[:-500], "cannot be decoded"),
    "a time series": (nifti(np.zeros((5, 5, 5, 2), np.int16)), r"must be a volume \(X, Y, Z\), got \(5, 5, 5, 2\)"),
    "not finite": (nifti(np.full((5, 5, 5), np.nan, np.float32)), "not finite"),
    "float": (nifti(np.full((5, 5, 5), 0.5, np.float32)), "do not define white"),
    "another .gz": (b"\x1f\x8b" + bytes(50), "not a JPEG"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_reason(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(DataError, match=reason):
        decode(data, TARGET)


def test_a_damaged_volume_stays_one_file() -> None:
    record = RawImage("a.nii", "", "a", "00" * 32, nifti(VOXELS, packed=False)[:-500])
    assert list(in_slices([record])) == [record]


def test_predict_reads_what_prepare_reads() -> None:
    dataset: Any = SimpleNamespace(
        image_shape=(48, 64, 1), fit="squash", standardise=False, white=None, window=(500, 1000)
    )
    for data in (dicom(RAMP), nifti(VOXELS)):
        expected = decode(data, replace(TARGET, window=(500, 1000))).pixels
        for image in (data, base64.b64encode(data).decode()):
            assert np.array_equal(read_image(image, dataset).pixels, expected)


def test_identifiers_of_the_header() -> None:
    assert dicom_identifier(dicom(RAMP, PatientID="P-77"), "PatientID") == "P-77"
    for data in (dicom(RAMP), dicom(RAMP, PatientID=" ")):
        with pytest.raises(DataError, match="has no PatientID"):
            dicom_identifier(data, "PatientID")
    with pytest.raises(DataError, match="must be a DICOM file"):
        dicom_identifier(b"\x89PNG", "PatientID")


@pytest.mark.parametrize(("package", "data"), [("pydicom", dicom(RAMP)), ("nibabel", nifti(VOXELS))])
def test_a_missing_package_is_named_once(monkeypatch: pytest.MonkeyPatch, package: str, data: bytes) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf'{package}; run: pip install "\.\[medical\]"') as error:
        decode(data, TARGET)
    assert not isinstance(error.value, DataError)  # which would be listed for each file
