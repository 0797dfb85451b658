"""Pages in a browser: Playwright drives the chromium of the system."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.layout import Layout
from pipeline.report import formatting
from pipeline.report.analysis.decision import decide
from pipeline.report.sections.screening.slider_data import scalable
from pipeline.stages import report, summary
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation, alarmed_by_any, estimate_screening

pytestmark = pytest.mark.browser

AXE = files("axe_playwright_python") / "axe.min.js"
NAMES = ("sensitivity", "specificity", "false_positives", "false_negatives", "ppv", "npv")
PAGES = ["hostile/index.html", "perfect/index.html", "plain/index.html", "index.html"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages")
    mri = contract_data.dataset_info("mri", ["healthy", "tumor"], ["tumor"], medical=True)
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "hostile": (contract_data.dataset_info("odd", contract_data.HOSTILE, contract_data.HOSTILE[:1]), {}),
        "perfect": (mri, {"skill": (50.0, 2.0), "origins": ("br35h", "")}),
        "plain": (contract_data.dataset_info("plain", [f"class {c}" for c in range(10)], []), {"n_seeds": 1}),
    }
    for name, (info, options) in cases.items():
        layout = contract_data.write_experiment(root, name, info, **options)
        if name == "perfect":  # as wide as a real search
            trials = pd.read_csv(layout.search(name) / "trials.csv", dtype=str)
            wide = {f"model.option_{i}": np.random.default_rng(i).uniform(size=len(trials)) for i in range(16)}
            trials.assign(**wide).to_csv(layout.search(name) / "trials.csv", index=False)
        report.run(layout, name, contract_data.SETTINGS)
    summary.run(Layout(root), list(cases))
    return root


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_a_file_without_complaint_or_request(open_page: Any, root: Path, name: str) -> None:
    assert open_page(name).complaints == []
    page = open_page(name, bypass_csp=True)  # the policy forbids requests: without it each would show
    page.wait_for_load_state("networkidle")
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith("data:")] == [(root / "reports" / name).as_uri()]


def test_a_request_and_an_error_would_be_seen(open_page: Any, root: Path) -> None:
    bad = '<img src="http://127.0.0.1:9/x.png"><script>missing()</script><div style="width: 900px">wide</div>'
    (root / "reports/bad.html").write_text(bad)
    page = open_page("bad.html", viewport={"width": 360, "height": 800})
    assert "http://127.0.0.1:9/x.png" in page.asked
    assert any("missing" in text for text in page.complaints)
    assert overflow(page) > 500


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("width", "scheme", "medium"),
    [(1280, "light", "screen"), (1280, "dark", "screen"), (360, "light", "screen"), (360, "dark", "screen"),
     (718, "light", "print")],  # 19 cm of a sheet at 96 per inch
)  # fmt: skip
def test_no_layout_overflows(open_page: Any, name: str, width: int, scheme: str, medium: str) -> None:
    page = open_page(name, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.emulate_media(media=medium, color_scheme=scheme)
    assert overflow(page) <= 0
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")
    assert overflow(page) <= 0


@pytest.mark.parametrize("name", PAGES)
def test_narrow_heads_of_tables_have_no_blank_band(open_page: Any, name: str) -> None:
    page = open_page(name, viewport={"width": 480, "height": 900})
    heads = page.locator("table:not(.text) thead").evaluate_all("heads => heads.map(head => head.offsetHeight)")
    assert len(heads) > 2
    assert max(heads) < 80  # three lines at most


def test_wide_windows_are_used(open_page: Any) -> None:
    """Sections have two columns on a wide window, so the page is much shorter there than on a narrow one."""
    heights = []
    for width in (700, 1400):
        page = open_page("hostile/index.html", viewport={"width": width, "height": 900})
        heights.append(page.evaluate("document.documentElement.scrollHeight"))
    assert heights[1] < 0.7 * heights[0]


def test_a_class_called_script_is_text(open_page: Any) -> None:
    page = open_page("hostile/index.html")
    assert page.complaints == []
    assert page.locator("th", has_text="<script>alert(1)</script>").first.is_visible()


def shown(page: Any) -> dict[str, str]:
    return {name: page.locator(f"[data-{name}]").text_content() for name in NAMES}


def expected(evaluation: Evaluation, threshold: float | None, prevalence: float, n_screened: float) -> dict[str, str]:
    """Return the words of a report at these settings."""
    screened = {"prevalence_per_100k": prevalence, "n_screened": n_screened}
    estimate = decide(evaluation, "winner", **screened, at=threshold).estimate
    show: list[Any] = [formatting.percent_estimate] * 2 + [formatting.count_estimate] * 2
    show += [lambda e: formatting.percent_estimate(e, 2), lambda e: formatting.percent_estimate(e, 4)]
    return {name: words(getattr(estimate, name)) for name, words in zip(NAMES, show, strict=True)}


def slide(page: Any, name: str, position: int) -> None:
    page.locator(f"#slide-{name}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", position
    )


@pytest.mark.parametrize("experiment", ["hostile", "perfect"])
def test_the_sliders_show_what_a_report_at_these_settings_would_show(
    open_page: Any, root: Path, experiment: str
) -> None:
    page, evaluation = open_page(f"{experiment}/index.html"), Evaluation.read(root / "data/evaluate" / experiment)
    assert shown(page) == expected(evaluation, None, 21.97, 100_000)
    rng = np.random.default_rng(0)
    ends = [(0, 100, -240), (940, 400, 240)]  # all called positive, none called positive
    places = ends + [tuple(rng.integers((0, 100, -240), (941, 401, 241))) for _ in range(48)]
    seen = set()
    for prevalence, screened, threshold in places:
        for name, position in (("prevalence", prevalence), ("screened", screened), ("threshold", threshold)):
            slide(page, name, int(position))
        at = (
            (np.floor(1e6 / (1 + np.exp(-threshold / 20))) + 0.5) / 1e6,
            float(f"{10 ** (prevalence / 200):.3g}"),
            float(f"{10 ** (screened / 50):.2g}"),
        )
        texts = shown(page)
        assert texts == expected(evaluation, *at), at
        seen.add(tuple(texts.values()))
    assert len(seen) > 40
    assert page.complaints == []


def test_the_arithmetic_of_the_sliders_is_that_of_the_pipeline(open_page: Any) -> None:
    """All digits, beyond those shown; also rates of exactly 0 and 1 and a single group."""
    page, rng = open_page("hostile/index.html"), np.random.default_rng(1)
    cases = [(se, sp, n1, n0, 21.97, 1e5) for se in (0.0, 1.0) for sp in (0.0, 1.0) for n1, n0 in ((1, 1), (150, 405))]
    for _ in range(200):
        n1, n0 = (int(n) for n in rng.integers(1, 6_000, 2))
        se, sp = (rng.integers(0, 3 * n + 1) / (3 * n) for n in (n1, n0))  # means over three seeds
        cases.append((float(se), float(sp), n1, n0, float(10 ** rng.uniform(0, 4.7)), float(10 ** rng.uniform(2, 8))))
    operations = [Operation(*case[:4]) for case in cases]
    calls = [[scalable(of), prevalence, n] for of, (*_, prevalence, n) in zip(operations, cases, strict=True)]
    results = page.evaluate("calls => calls.map(call => screening(...call))", calls)
    for operation, (*_, prevalence, n_screened), result in zip(operations, cases, results, strict=True):
        wanted = estimate_screening(operation, prevalence, n_screened)
        for name in NAMES:
            estimate = getattr(wanted, name)
            for shown, number in zip(result[name], (estimate.value, estimate.low, estimate.high), strict=True):
                close = number if number is None else pytest.approx(number, rel=1e-7, abs=1e-9)
                assert shown == close, (name, operation, prevalence)


GOLDEN = {1: 7_732, 3: 21_448, 5: 33_124, 10: 55_274, 20: 79_989}  # of 7,732 alarms among 99,978.03 healthy persons


def test_the_slider_of_slices_alarms_the_golden_numbers_of_persons(open_page: Any, root: Path) -> None:
    html = (root / "reports/perfect/index.html").read_text(encoding="utf-8")
    before, data, after = re.split(r'(?<=id="slider-data">)(.*?)(?=</script>)', html, maxsplit=1)
    numbers = json.loads(data)
    rate = 7_732 / 99_978.03
    numbers["frozen"][2] = [rate, rate / 2, 2 * rate]  # alarms per healthy person, with its interval
    (root / "reports/golden.html").write_text(before + json.dumps(numbers) + after, encoding="utf-8")
    page = open_page("golden.html")
    assert page.complaints == []
    for n, alarmed in GOLDEN.items():
        slide(page, "slices", n)
        assert page.locator("[data-together]").text_content() == "7,732 [3,866, 15,464]"
        text = page.locator("[data-independent]").text_content()
        assert float(text.split(" [")[0].replace(",", "")) == pytest.approx(alarmed, abs=5)
        assert text == formatting.count_estimate(alarmed_by_any(Estimate(7_732, 3_866, 15_464), 99_978.03, n))
        assert page.evaluate("n => alarmedByAny([7732, null, null], 99978.03, n)[0]", n) == pytest.approx(
            alarmed, abs=5
        )
    assert "exploration" in page.locator("[data-state]").text_content()
    page.get_by_role("button", name="Back to the result's settings").press("Enter")
    assert page.locator("[data-text-slices]").text_content() == "1 slice"


def test_only_medical_pages_speak_of_slices(open_page: Any) -> None:
    assert open_page("hostile/index.html").locator("#slide-slices").count() == 0
    assert open_page("perfect/index.html").locator("#slide-slices").count() == 1


def test_the_icons_count_every_person_once(open_page: Any) -> None:
    page = open_page("hostile/index.html")
    for threshold in (-240, -10, 37, 240):
        slide(page, "threshold", threshold)
        slide(page, "prevalence", 800)
        counts = [page.locator(f"[data-n-{kind}]").text_content().split()[-1] for kind in ("tp", "fn", "fp", "tn")]
        paths = [page.locator(f"[data-people-{kind}]").first.get_attribute("d") for kind in ("tp", "fn", "fp", "tn")]
        areas = [sum(float(m.split("h")[1].split("v")[0]) * float(m.split("v")[1].split("h")[0])
                     for m in path.split("M")[1:]) for path in paths]  # fmt: skip
        assert areas == [float(n.replace(",", "")) for n in counts]
        assert sum(areas) == 100_000


@pytest.mark.parametrize("experiment", ["hostile", "perfect"])
def test_the_icons_of_the_panel_start_as_those_of_the_result(open_page: Any, experiment: str) -> None:
    page = open_page(f"{experiment}/index.html")
    result, panel = page.locator("figure.people").all()
    for kind in ("tp", "fn", "fp", "tn"):
        shown, started = (figure.locator(f"path.{kind}").first.get_attribute("d") for figure in (result, panel))
        assert shown == started
        assert result.locator(f"li.{kind}").text_content() == panel.locator(f"li.{kind}").text_content()
    assert page.locator("#explore figure.people").count() == 1


def test_on_paper_the_result_stays_and_the_exploration_goes(open_page: Any) -> None:
    page = open_page("hostile/index.html")
    page.emulate_media(media="print")
    assert [figure.is_visible() for figure in page.locator("figure.people").all()] == [True, False]


def test_sliders_work_by_keyboard_and_say_their_value(open_page: Any) -> None:
    page = open_page("hostile/index.html")
    before = shown(page)
    for name in ("prevalence", "screened", "threshold"):
        slider, output = page.locator(f"#slide-{name}"), page.locator(f"[data-text-{name}]")
        old = output.text_content()
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert output.text_content() != old
        assert slider.get_attribute("aria-valuetext") == output.text_content()
        assert page.get_by_label(page.locator(f"label[for=slide-{name}]").text_content(), exact=True).count() == 1
    assert shown(page) != before
    assert "exploration" in page.locator("[data-state]").text_content()
    page.get_by_role("button", name="Back to the result's settings").press("Enter")
    assert shown(page) == before
    assert "those of the result" in page.locator("[data-state]").text_content()


def test_without_javascript_the_table_remains(open_page: Any) -> None:
    page = open_page("hostile/index.html", java_script_enabled=False)
    assert not page.locator("#explore").is_visible()
    assert page.get_by_role("row", name="false positives").first.is_visible()
    assert page.locator("figure.people").first.is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_fault(open_page: Any, name: str, scheme: str, width: int) -> None:
    page = open_page(name, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate(AXE.read_text(encoding="utf-8"))
    axe = page.evaluate("axe.run()")
    serious = [fault for fault in axe["violations"] if fault["impact"] in {"serious", "critical"}]
    assert [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in serious] == []
    assert len(axe["passes"]) > 10
