"""JSON files between stages: a schema each, checked on reading."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.artifacts.layout import rebuild
from pipeline.core.errors import DataError
from pipeline.core.files import write_json


class JsonPart(BaseModel):
    """A mapping inside a JSON file; unknown and missing keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JsonFile(JsonPart):
    """A JSON file as a frozen model."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file. Raises DataError naming every key that is wrong."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}; run: {rebuild(path)}") from error
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
            raise DataError(
                f"{path} is damaged or was written by another version; run: {rebuild(path)}", problems
            ) from error

    def write(self, path: Path) -> None:
        """Write the file whole or not at all. Raises ValueError on NaN and infinity, which JSON lacks."""
        write_json(path, self.model_dump(mode="json"))
