"""YAML is read as users mean it, and each problem is reported with its line."""

from pathlib import Path

import pytest
from pydantic import Field

from pipeline.core.errors import ConfigError
from pipeline.core.yaml_document import Strict, read_yaml, validate, write_yaml


def read(tmp_path: Path, text: str | bytes) -> dict:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path).check()


def test_scalars_are_read_as_meant(tmp_path: Path) -> None:
    text = "a: 1e-3\nb: 1_000\nc: on\nd: true\ne: null\nf: 0x10\ng: -2.5\nh: '1e-3'\ni: 0\nj: .inf\nk: 007\n"
    expected = {"a": 1e-3, "b": 1000, "c": "on", "d": True, "e": None, "f": 16, "g": -2.5, "h": "1e-3", "i": 0, "k": 7}
    values = read(tmp_path, text)
    assert {key: values[key] for key in expected} == expected
    assert values["j"] == float("inf")


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1: file: must be a mapping of keys to values, got nothing"),
        ("- a\n", "1: file: must be a mapping of keys to values, got a list"),
        ("a: [1\n", "must be YAML"),
        ("a: 1\nb: 2\na: 3\n", ":1: a: duplicate key (also on line 3); remove one"),
        ("a: &x [1]\nb: *x\n", ":1: a: anchors and aliases are not allowed"),
        ("a: 1\nb: !!python/object:os.system x\n", ":2: b: only plain YAML values are allowed"),
        ("a: 1\n".encode("utf-16"), ":1: file: must be UTF-8 text"),
    ],
)
def test_bad_files_are_refused_with_line_and_rule(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert complaint in str(error.value)


class Size(Strict):
    width: int = 1


class Drawing(Strict):
    title: str = ""
    size: Size = Size()
    sizes: dict[str, list[Size]] = Field({})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("titel: x\n", ":1: titel: unknown key; known are title, size, sizes; did you mean 'title'?"),
        ("size:\n  widht: 2\n", ":2: size.widht: unknown key; known are width; did you mean 'width'?"),
        ("sizes:\n  a:\n  - {widht: 2}\n", ":3: sizes.a.0.widht: unknown key; known are width; did you mean 'width'?"),
    ],
)
def test_an_unknown_key_is_compared_with_those_of_its_own_section(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    document = read_yaml(tmp_path / "file.yaml")
    assert validate(document, Drawing, document.values) is None
    assert [problem.removeprefix(str(tmp_path / "file.yaml")) for problem in document.problems] == [complaint]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        read_yaml(tmp_path / "none.yaml")


def test_written_yaml_reads_back(tmp_path: Path) -> None:
    value = {"z": {"lr": 1.5e-05, "flip": True, "model": "timm:resnet18"}, "a": [1, 2]}
    write_yaml(tmp_path / "out.yaml", value)
    assert read_yaml(tmp_path / "out.yaml").values == value
