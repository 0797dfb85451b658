"""The table of trials in a browser: sorted, filtered, and its lines stepped through by keyboard and brushed."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import contract_data
import trial_examples
from contract_data import MRI
from pipeline.report import experiment_page
from pipeline.stages import report

pytestmark = pytest.mark.browser

AXE = files("axe_playwright_python") / "axe.min.js"
PAGES = ["rungs/index.html", "one/index.html", "many/index.html"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return reports of the section Search: on rungs with hostile names, of one trial, and of 40 without rungs."""
    root = tmp_path_factory.mktemp("trials")
    every = experiment_page.all_sections()
    rungs = trial_examples.rung_search("rungs")
    for name in ("rungs", "one", "many"):
        layout = contract_data.write_experiment(root, name, MRI, n_seeds=1)
        if name == "rungs":
            trial_examples.write_trials(layout, name, rungs)
        elif name == "one":
            trial_examples.write_trials(layout, name, trial_examples.first_trials(rungs, 1))
        else:
            contract_data.write_search(layout, name, MRI, n_trials=40)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(experiment_page, "all_sections", lambda: {"search": every["search"]})
            report.run(layout, name, contract_data.SETTINGS)
    return root


def numbers(page: Any) -> list[int]:
    """Return the trials of the table that are shown, in their order."""
    return [int(text) for text in page.locator(".trials tbody tr:not([hidden]) th").all_text_contents()]


def filter_by(page: Any, text: str) -> list[int]:
    page.get_by_label("Filter the trials").fill(text)
    return sorted(numbers(page))


def head(page: Any, name: str) -> Any:
    return page.locator(f".trials th[data-key='{name}']")


def sort_by(page: Any, name: str, key: str = "Enter") -> list[int]:
    head(page, name).get_by_role("button").press(key)
    return numbers(page)


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label')"))


def focus_lines(page: Any) -> None:
    page.locator(".lines [role=option][tabindex='0']").focus()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_complaint_and_no_request(open_page: Any, root: Path, name: str) -> None:
    page = open_page(name)
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith("data:")] == [(root / "reports" / name).as_uri()]
    n = len(numbers(page))
    assert page.locator("[data-count]").text_content() == f"{n} of {n} trials."
    assert page.locator(".lines [role=option]").count() == (0 if "one/" in name else n)
    assert page.locator("img[src=x]").count() == 0


def test_scores_are_sorted_within_their_rung(open_page: Any) -> None:
    page = open_page("rungs/index.html")
    assert numbers(page) == trial_examples.ORDER
    assert head(page, "score").get_attribute("aria-sort") == "descending"
    assert sort_by(page, "score") == [1, 3, 0, 5, 7, 6, 2, 4]  # each rung from its lowest
    assert head(page, "score").get_attribute("aria-sort") == "ascending"
    assert sort_by(page, "score", "Space") == trial_examples.ORDER
    assert sort_by(page, "first_rung_score") == [2, 3, 1, 6, 7, 5, 0, 4]  # over all; those without it last
    assert page.locator(".trials [aria-sort]").count() == 1


def test_numbers_are_sorted_as_numbers_and_gaps_are_last(open_page: Any) -> None:
    page = open_page("rungs/index.html")
    assert sort_by(page, "cnn.width")[:4] == [2, 5, 1, 7]  # 8, 9, 32, 100
    assert sort_by(page, "cnn.width")[:4] == [7, 1, 5, 2]
    assert sort_by(page, "number", "Space") == list(range(8))
    assert sort_by(page, "model") == [6, 1, 2, 5, 7, 0, 3, 4]  # equal ones in the order before
    page.get_by_role("button", name="number", exact=True).click()
    assert numbers(page) == list(range(8))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model=cnn", [1, 2, 5, 7]),
        ("MODEL=CNN lr<0.1", [1, 5]),
        ("model=cnn lr<=0.1 lr>0.01", [2, 5]),
        ("first_rung_score>=0.85", [2, 3]),
        ("model=mlp model=cnn flip=none", [0, 3, 4]),
        ("lr=5e-4", [3]),
        ("score=0.7012", [6, 7]),  # as it is shown
        ("onerror", [4, 6]),
        ('"<img src"', [4, 6]),
        ("mlp enqueued", []),
        ("absent<3 cnn", [1, 2, 5, 7]),
        ("lr<", list(range(8))),
    ],
)
def test_the_filter_counts_what_it_shows(open_page: Any, text: str, expected: list[int]) -> None:
    page = open_page("rungs/index.html")
    assert filter_by(page, text) == expected
    shown = page.locator("[data-count]").text_content()
    assert shown.startswith(f"{len(expected)} of 8 trials.")
    assert page.locator("[data-count]").get_attribute("role") == "status"
    assert ("Ignored" in shown) == (text in {"absent<3 cnn", "lr<"})
    assert page.locator(".lines [role=option]:not(.out)").count() == len(expected)
    page.get_by_role("button", name="Clear filter and pins").press("Enter")
    assert numbers(page) == trial_examples.ORDER
    page.get_by_label("Filter the trials").press("Enter")  # sends nothing
    assert page.complaints == []


def test_arrow_keys_step_through_the_lines_in_the_order_of_the_table(open_page: Any) -> None:
    page = open_page("rungs/index.html")
    filter_by(page, "model=cnn")
    assert page.locator(".lines [tabindex='0'][role=option]").count() == 1  # one stop of the Tab key
    focus_lines(page)
    walked = [focused(page)]
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp", "Home", "End"):
        page.keyboard.press(key)
        walked.append(focused(page))
    assert walked == [f"trial {n}" for n in (1, 2, 7, 5, 5, 7, 1, 5)]
    status = page.locator("[data-trial]")
    assert status.get_attribute("role") == "status"
    assert status.text_content().startswith("Trial 5: state pruned,")
    assert "lr 0.02" in status.text_content()
    assert page.locator("tr.inspected th").all_text_contents() == ["5"]
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    assert page.locator("tr.pinned th").all_text_contents() == ["5"]
    assert page.locator("[aria-selected=true]").get_attribute("aria-label") == "trial 5"
    page.keyboard.press("ArrowDown")
    assert "Trial 5, pinned" in status.text_content()
    page.keyboard.press("Enter")
    assert page.locator("tr.pinned").count() == 0


def test_a_brush_writes_the_filter(open_page: Any) -> None:
    """Over the upper half of the learning rates, then over the choice mlp; a click on the axis ends it."""
    page = open_page("rungs/index.html", viewport={"width": 1300, "height": 1000}, reduced_motion="reduce")
    page.locator("figure.lines").scroll_into_view_if_needed()
    axes = page.locator(".lines .labels .name").all_text_contents()
    assert axes == ["model", "lr", "weight_decay", "cnn.width", "flip", "first_rung_score"]

    def brush(axis: str, start: float, end: float) -> str:
        box = page.locator(".lines .handles rect").nth(axes.index(axis)).bounding_box()
        x = box["x"] + box["width"] / 2
        page.mouse.move(x, box["y"] + start * box["height"])
        page.mouse.down()
        page.mouse.move(x, box["y"] + end * box["height"])
        page.mouse.up()
        return str(page.get_by_label("Filter the trials").input_value())

    assert brush("lr", 0.02, 0.42).startswith("lr>=0.0")
    assert sorted(numbers(page)) == [2, 4, 5, 7]  # the middle of 0.0004 and 0.5 on a logarithm is 0.014
    assert page.locator(".lines .brushed rect").count() == 1
    assert brush("model", 0.02, 0.3).endswith(" model=mlp")
    assert numbers(page) == [4]
    assert brush("lr", 0.2, 0.2) == "model=mlp"
    assert brush("cnn.width", 0.88, 0.99) == "model=mlp cnn.width=none"
    assert brush("flip", 0.88, 0.99).endswith("flip=none")
    assert sorted(numbers(page)) == [0, 3, 4]


def test_without_javascript_the_table_remains(open_page: Any) -> None:
    page = open_page("rungs/index.html", java_script_enabled=False)
    assert numbers(page) == trial_examples.ORDER
    assert page.locator(".trials tbody tr").first.is_visible()
    assert not page.get_by_label("Filter the trials").is_visible()
    assert not page.locator("figure.lines").is_visible()
    assert page.locator(".trials thead button").count() == 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 480), ("dark", 480)])
def test_axe_finds_no_serious_fault_and_nothing_overflows(open_page: Any, name: str, scheme: str, width: int) -> None:
    page = open_page(name, color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    if "one/" not in name:
        focus_lines(page)
        page.keyboard.press("Enter")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    axe = page.evaluate("axe.run('#all-trials')")
    serious = [fault for fault in axe["violations"] if fault["impact"] in {"serious", "critical"}]
    assert [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in serious] == []
    assert len(axe["passes"]) > 10
