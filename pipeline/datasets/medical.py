"""Slices of DICOM and NIfTI files as pictures. Of a DICOM header only what the pixels need is read."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.errors import DataError, InputError
from pipeline.datasets.archives import MAX_UNPACKED_BYTES
from pipeline.datasets.records import RawImage

Window = tuple[float, float]  # center and width: black is center - width / 2, white is center + width / 2
HEADER_BYTES = 348  # of NIfTI-1; the magic number follows within 4 bytes
PIXEL_TAGS = [
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "PixelData"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *(f"{colour}PaletteColorLookupTable{of}" for of in ("Descriptor", "Data") for colour in ("Red", "Green", "Blue")),
]


def medical_format(data: bytes) -> Literal["DICOM", "NIFTI"] | None:
    """Return the format of a file by its first bytes; None for all others."""
    if data[128:132] == b"DICM" or (
        data.startswith(b"\x08\x00") and data[3:4] == b"\0"
    ):  # or without preamble: group 8
        return "DICOM"
    head = data[: HEADER_BYTES + 4]
    if data.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(data, HEADER_BYTES + 4)
        except zlib.error:
            return None
    return "NIFTI" if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0" else None


def medical_image(data: bytes, window: Window | None, white: int | None) -> Image.Image:
    """Return the picture of a DICOM file, or the middle slice of a NIfTI volume.

    It has mode L or RGB where bytes or a window define black and white, else I;16 or F with the values themselves.
    Raises DataError if there is no picture or more than one, InputError if the package that reads it is missing.
    """
    if medical_format(data) == "DICOM":
        image = _dicom_image(data, window, white)
        image.format = "DICOM"
    else:
        volume = _volume(data)
        image = _grey(_plane(volume, volume.shape[2] // 2), window, white)
        image.format = "NIFTI"
    return image


def in_slices(records: Iterable[RawImage]) -> Iterator[RawImage]:
    """Yield each slice of a NIfTI volume in place of the volume. Slices of one value hold no picture: left out."""
    for record in records:
        if not isinstance(record.data, bytes) or medical_format(record.data) != "NIFTI":
            yield record
            continue
        try:
            volume = _volume(record.data)
        except DataError:
            yield record  # decoding it gives the reason
            continue
        for k in range(volume.shape[2]):
            plane = _plane(volume, k)
            if plane.min() == plane.max():
                continue
            digest = hashlib.sha256(f"{record.sha256}#{k}".encode()).hexdigest()
            source = f"{record.source}#{k:04d}"
            yield replace(record, source=source, sha256=digest, data=_one_slice(plane), volume=record.source)


def dicom_identifier(data: bytes | NDArray[Any], keyword: str) -> str:
    """Return one identifier of the header. Raises DataError if the file is no DICOM file, or does not have it."""
    if not isinstance(data, bytes) or medical_format(data) != "DICOM":
        raise DataError(f"must be a DICOM file with a {keyword}; correct `group`, or leave it out")
    header = _pydicom().dcmread(io.BytesIO(data), force=True, stop_before_pixels=True, specific_tags=[keyword])
    if not (identifier := str(header.get(keyword) or "").strip()):
        raise DataError(f"has no {keyword} in its header; name the groups in a table instead")
    return identifier


def _dicom_image(data: bytes, window: Window | None, white: int | None) -> Image.Image:
    pydicom = _pydicom()
    header = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=PIXEL_TAGS)
    if "PixelData" not in header:
        raise DataError("holds no picture")
    if (n_frames := int(header.get("NumberOfFrames") or 1)) != 1:
        raise DataError(f"must hold one picture, got {n_frames}; save them as files of one frame")
    if header.Rows * header.Columns > (Image.MAX_IMAGE_PIXELS or 0):
        raise DataError(f"refused, larger than {Image.MAX_IMAGE_PIXELS} pixels: {header.Rows} x {header.Columns}")
    if "TransferSyntaxUID" not in header.file_meta:
        implicit = header.original_encoding[0]
        header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
    stored = pydicom.pixels.pixel_array(header)  # (H, W), or (H, W, 3) of RGB
    kind = header.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        stored = pydicom.pixels.apply_color_lut(stored, header)
        stored = (stored >> 8).astype(np.uint8) if stored.dtype == np.uint16 else stored
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise DataError(f"colour must have 8 bits, got {stored.dtype}")
        return Image.fromarray(np.ascontiguousarray(stored[..., :3]))
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    values = stored if (slope, intercept) == (1, 0) else stored * slope + intercept
    top = 2 ** (header.BitsStored - header.PixelRepresentation) - 1  # largest value that can be stored
    inverted = slope * top + intercept if kind == "MONOCHROME1" else None
    return _grey(values, window or _header_window(header), white, inverted_at=inverted)


def _header_window(header: Any) -> Window | None:
    """Return the first window of the header, as DICOM PS3.3 C.11.2.1.2 defines it."""
    centers, widths = header.get("WindowCenter"), header.get("WindowWidth")
    if centers is None or widths is None:
        return None
    center, width = (float(np.atleast_1d(np.asarray(of, np.float64))[0]) for of in (centers, widths))
    exact = header.get("VOILUTFunction") == "LINEAR_EXACT"
    return (center, width) if exact else (center - 0.5, width - 1)


def _grey(
    values: NDArray[Any], window: Window | None, white: int | None, inverted_at: float | None = None
) -> Image.Image:
    """Return values (H, W) as a picture. inverted_at: value that becomes 0, where large values are dark."""
    if not np.isfinite(values).all():
        raise DataError("holds values that are not finite; replace them")
    if window:
        center, width = window
        shares = ((values.astype(np.float64) - center) / max(width, 1e-9) + 0.5).clip(0, 1)
        shares = shares if inverted_at is None else 1 - shares
        return Image.fromarray((255 * shares).round().astype(np.uint8))
    is_byte = values.dtype == np.uint8
    values = values if inverted_at is None else inverted_at - values.astype(np.float64)
    if values.min() < 0 and not white:
        raise DataError("its negative values do not define black; set `image.window: [center, width]`")
    if is_byte:
        return Image.fromarray(values.astype(np.uint8))
    is_whole = values.max() < 2**16 and bool((values == np.floor(values)).all())
    return Image.fromarray(np.maximum(values, 0).astype(np.uint16 if is_whole else np.float32))


def _volume(data: bytes) -> Any:
    """Return the voxels (X, Y, Z) of a NIfTI file, which are read when they are indexed."""
    nibabel = _nibabel()
    try:
        if data.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                data = stream.read(MAX_UNPACKED_BYTES + 1)
            if len(data) > MAX_UNPACKED_BYTES:
                raise DataError(f"refused, unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        kind = nibabel.Nifti2Image if data[4:8] == b"n+2\0" else nibabel.Nifti1Image
        volume = kind.from_bytes(data).dataobj
        if not (volume.ndim == 3 or volume.shape[3:] == (1,) * (volume.ndim - 3)) or 0 in volume.shape:
            raise DataError(f"must be a volume (X, Y, Z), got {volume.shape}; save one volume per file")
        if volume.shape[0] * volume.shape[1] > (Image.MAX_IMAGE_PIXELS or 0):
            raise DataError(f"refused, slices larger than {Image.MAX_IMAGE_PIXELS} pixels: {volume.shape[:2]}")
        _plane(volume, volume.shape[2] - 1)  # the last voxel is there
    except DataError:
        raise
    except Exception as error:  # a damaged file makes nibabel raise OSError, EOFError, HeaderDataError, ValueError, ...
        raise DataError(f"cannot be decoded: {str(error) or type(error).__name__}") from error
    return volume


def _plane(volume: Any, k: int) -> NDArray[Any]:
    """Return a slice along the last axis as rows from top to bottom: Y upwards, X to the right."""
    plane: NDArray[Any] = np.rot90(np.asanyarray(volume[:, :, k]).reshape(volume.shape[:2]))
    if plane.dtype.kind not in "uif":
        raise DataError(f"must hold numbers, got {plane.dtype}")
    return plane.astype(np.float32) if plane.dtype.kind == "f" else plane


def _one_slice(plane: NDArray[Any]) -> bytes:
    """Return a slice as a NIfTI file of its own, so that it is decoded like all files."""
    voxels = np.rot90(plane, -1)[:, :, None]
    return bytes(_nibabel().Nifti1Image(voxels, np.eye(4), dtype=voxels.dtype).to_bytes())


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.config
        import pydicom.pixels
    except ImportError:
        raise InputError('DICOM files need pydicom; run: pip install ".[medical]"') from None
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings would print the header
    return pydicom


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError:
        raise InputError('NIfTI files need nibabel; run: pip install ".[medical]"') from None
    return nibabel
