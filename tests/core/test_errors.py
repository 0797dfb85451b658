"""The texts of errors."""

from pipeline.core.errors import ConfigError, InputError, did_you_mean, first_line


def test_all_problems_are_in_the_message() -> None:
    error = ConfigError("two problems", ["a: first", "b: second"])
    assert str(error).splitlines() == ["two problems", "  a: first", "  b: second"]
    assert error.exit_code == InputError.exit_code == 2


def test_only_a_near_name_is_suggested() -> None:
    assert did_you_mean("mnits", ["cifar10", "mnist"]) == "; did you mean 'mnist'?"
    assert did_you_mean("resnet", ["resnet18"], "timm:") == "; did you mean 'timm:resnet18'?"
    assert did_you_mean("x", ["cifar10", "mnist"]) == ""


def test_the_first_line_of_an_error_is_never_empty() -> None:
    assert first_line(ValueError("\nfirst\nsecond")) == "first"
    assert first_line(ValueError()) == "ValueError"
