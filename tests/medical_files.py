"""DICOM and NIfTI files, written for a test."""

import gzip
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def dicom(pixels: NDArray[Any], *, preamble: bool = True, **keys: object) -> bytes:
    """Return a DICOM file of pixels (H, W), (H, W, 3) or (frames, H, W), with these keywords in its header."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    file = Dataset()
    file.SOPClassUID = SecondaryCaptureImageStorage
    file.SOPInstanceUID = generate_uid()
    is_colour = pixels.ndim == 3 and pixels.shape[2] == 3
    file.Rows, file.Columns = pixels.shape[:2] if is_colour else pixels.shape[-2:]
    file.SamplesPerPixel = 3 if is_colour else 1
    file.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = 8 * pixels.dtype.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    file.PixelData = pixels.tobytes()
    for key, value in keys.items():
        setattr(file, key, value)
    buffer = io.BytesIO()
    if not preamble:
        file.save_as(buffer, implicit_vr=True, little_endian=True, enforce_file_format=False)
        return buffer.getvalue()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def compressed(data: bytes, syntax: str, frame: bytes | None = None) -> bytes:
    """Return a DICOM file with compressed pixels. frame: as another program compressed them; None: by pydicom."""
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    file = pydicom.dcmread(io.BytesIO(data))
    if frame is None:
        file.compress(UID(syntax))
    else:
        file.PixelData = encapsulate([frame])
        file["PixelData"].is_undefined_length = True
        file.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = io.BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


def nifti(voxels: NDArray[Any], *, packed: bool = True, version: int = 1) -> bytes:
    """Return a .nii.gz (packed) or .nii file of voxels (X, Y, Z)."""
    import nibabel

    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    data = kind(voxels, np.eye(4), dtype=voxels.dtype).to_bytes()
    return gzip.compress(data, 1) if packed else data
