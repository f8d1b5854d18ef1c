"""The page in a browser: it is clicked, what it says is read back, and it is photographed. Needs bokeh, playwright and
Chromium; nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evobnn
from evobnn.genome import FORMS
from evobnn.snapshot import lock
from tests.report.conftest import POPULATIONS
from tests.report.made import made

pytestmark = pytest.mark.extras

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
PHOTOGRAPHS = os.environ.get("EVOBNN_PHOTOGRAPHS")
"""A folder in which the pictures are kept for whoever wants to look at them."""

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("bokeh")
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not there")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the report of runs; nothing may be asked of the network, and no script may fail."""
    pages, faults = [], []

    def open_page(*runs: Path, width: int = 1480, height: int = 1000, fragment: str = "") -> Any:
        path = evobnn.write_report(*runs, out=tmp_path / f"report-{len(pages)}.html")
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else faults.append(asked.url),
        )
        page.goto(path.resolve().as_uri() + fragment)
        page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        until(page, "document.querySelector('#front > *') !== null")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert faults == []


def until(page: Any, what: str, seconds: float = 60.0) -> None:
    """Wait until an expression is true; the driver's own waiting would need an eval that the page forbids."""
    begin = time.perf_counter()
    while not page.evaluate(what):
        assert time.perf_counter() - begin < seconds, what
        page.wait_for_timeout(50)


def photographed(page: Any, name: str, tmp_path: Path) -> int:
    """Photograph a whole page and return the number of its colours, of which an empty one has few."""
    from PIL import Image

    path = Path(PHOTOGRAPHS or tmp_path) / f"{name}.png"
    page.wait_for_timeout(600)
    page.screenshot(path=path, full_page=True)
    return len(Image.open(path).convert("RGB").getcolors(1 << 24))


def clicked(page: Any, run: int, number: int) -> None:
    """Click on a network in the picture of the front."""
    until(page, f"evobnn.whereIs({run}, {number}) !== null")
    page.wait_for_timeout(300)
    x, y = page.evaluate(f"evobnn.whereIs({run}, {number})")
    page.mouse.click(x, y)
    until(page, f"document.getElementById('details').dataset.id === '{number}'")


def test_a_click_shows_the_network(opened: Open, tmp_path: Path) -> None:
    run = evobnn.load_run(POPULATIONS / "mnist5k")
    page = opened(POPULATIONS / "mnist5k")
    front = run.front()
    best = front.loc[front["error_rescored"].idxmin(), "id"]
    assert page.locator("#chosen").inner_text() == f"id {best}"  # by fresh scores
    clicked(page, 0, 57)
    details = page.locator("#details")
    assert details.locator("#command").inner_text() == f"evobnn train {POPULATIONS / 'mnist5k'}:57"
    told = details.inner_text()
    row = front.set_index("id").loc[57]
    fresh = f"{row['error_rescored']:.2%} ± {row['error_rescored_sd']:.2%}".replace("%", "").split(" ± ")
    assert f"{row['error']:.2%}".replace("%", " %") in told and f"{row['ops']:,.0f}" in told
    assert f"{fresh[0]} ± {fresh[1]} %" in told
    individual = run.individual(57)
    assert individual.genome in told and f"gen. {run.individual(individual.parents[0]).born}" in told
    cells = details.locator("svg.cell")
    assert cells.count() == 2 and cells.first.get_attribute("data-edges") == "6"
    assert details.locator("svg.curve").count() == len({*re.findall(r"@\w+ = ([^@]+)", individual.genome + " ")})
    costs = run.individuals().set_index("id").loc[57]
    assert f"{costs['binary_macs']:,.0f}" in details.locator("#costs").inner_text()
    details.locator(".lineage button").first.click()
    assert page.locator("#chosen").inner_text() == f"id {individual.parents[0]}"
    assert page.evaluate("location.hash") == f"#0:{individual.parents[0]}"
    page.mouse.move(*page.evaluate("evobnn.whereIs(0, 45)"))
    page.wait_for_timeout(400)
    assert photographed(page, "one", tmp_path) > 300


def test_filters_and_axes(opened: Open) -> None:
    page = opened(POPULATIONS / "mnist5k")

    def shown() -> int:
        page.wait_for_timeout(150)
        return int(page.locator("#shown").inner_text().split(" of ")[0])

    table = evobnn.load_run(POPULATIONS / "mnist5k").individuals()
    assert shown() == len(table)
    page.get_by_role("button", name="sample", exact=True).click()
    assert shown() == (table["origin"] != "sample").sum()
    page.get_by_label("born in this generation or later").fill("4")
    assert shown() == ((table["origin"] != "sample") & (table["born"] >= 4)).sum()
    page.get_by_label("born in this generation or later").fill("0")
    page.get_by_role("button", name="sample", exact=True).click()
    page.get_by_label("error, at most").fill("60")
    most = page.evaluate("evobnn.View.state.limits.error")
    assert shown() == (table["error"] <= most).sum() < len(table)
    page.get_by_role("button", name="front only").click()
    assert shown() <= len(evobnn.load_run(POPULATIONS / "mnist5k").front())
    page.locator("#axis-x").select_option("bits")
    page.locator("#scores").select_option("search")
    page.get_by_role("button", name="front only").click()
    page.get_by_label("error, at most").fill("200")
    assert shown() == len(table)
    clicked(page, 0, 20)


def test_forms_are_computed_as_in_training(opened: Open) -> None:
    from evobnn.nn import SURROGATES, sampled  # torch is not to be loaded where these tests are left out

    page = opened(POPULATIONS / "mnist5k")
    texts = [name if not spec.arity else f"{name}({', '.join('x' * spec.arity)})" for name, spec in FORMS.items()]
    texts += [f"{name}(sin(x), square(x))" for name, spec in FORMS.items() if spec.arity == 2]
    texts += [f"{name}(sub(x, const))" for name, spec in FORMS.items() if spec.arity == 1]
    texts += ["gate(mul(sin(x), x), shift(x))", "max(x, neg(x))"]
    for text in texts:
        tree = evobnn.parse_expression(text).nested()
        a, slope = (values.numpy() for values in sampled(tree))
        drawn = page.evaluate("text => evobnn.Forms.sampled(evobnn.Genome.tree(text), ['clipped_identity', 1])", text)
        assert_close(drawn["a"], a, text)
        assert_close(drawn["slope"], slope, text)
        assert page.evaluate("text => evobnn.Forms.formula(evobnn.Genome.tree(text), evobnn.Data.all.forms)", text)
    for name, surrogate in SURROGATES.items():
        a, slope = sampled(("sin", ("x",)))
        before = a.clone().requires_grad_()
        surrogate(before, 1.3).sum().backward()  # type: ignore[no-untyped-call]
        assert before.grad is not None
        drawn = page.evaluate("name => evobnn.Forms.sampled(['sin', ['x']], [name, 1.3])", name)
        assert_close(drawn["gradient"], (before.grad * slope).numpy(), name)
    assert page.evaluate("evobnn.Forms.sampled(['mine', ['x']], ['approxsign', 1])") is None


def assert_close(drawn: list[float | None], wanted: np.ndarray, text: str) -> None:
    own = np.array([np.nan if one is None else one for one in drawn])
    finite = np.isfinite(wanted) & np.isfinite(own) & (np.abs(wanted) < 1e6)
    assert finite.sum() > 500, text
    np.testing.assert_allclose(own[finite], wanted[finite], rtol=1e-6, atol=1e-9, err_msg=text)


def test_attainment_is_that_of_moocore(opened: Open, rng: np.random.Generator) -> None:
    import moocore

    page = opened(POPULATIONS / "mnist5k")
    sets = [rng.random((9, 2)).round(2) for _ in range(5)]
    data = np.vstack(sets)
    of = np.repeat(np.arange(1, 6), 9)
    for rank in range(1, 6):
        wanted = moocore.eaf(data, of, percentiles=[20 * rank])[:, :2]
        drawn = page.evaluate(
            "([fronts, rank]) => evobnn.Data.attained(fronts, rank)", [[s.tolist() for s in sets], rank]
        )
        points = np.array([point for point in drawn if point[1] is not None])
        corners = points[np.flatnonzero(np.diff(points[:, 1], prepend=np.inf) < 0)]
        np.testing.assert_allclose(corners, wanted[np.argsort(wanted[:, 0])])


def test_several_runs_and_a_small_screen(opened: Open, tmp_path: Path) -> None:
    runs = [made(tmp_path / f"{name}-{seed}", 80, seed=seed) for name in ("first", "second") for seed in range(4)]
    for number, run in enumerate(runs):
        (run / "experiment.toml").write_text(f'preset = "{run.name[:-2]}"\nseed = {number}\n')
    page = opened(*runs, width=390, height=800)
    assert (
        "attainment" in page.locator("#front-note").inner_text()
        and "second (4 runs)" in page.locator("#front-note").inner_text()
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    whole = int(page.locator("#shown").inner_text().split(" of ")[0])
    page.get_by_role("button", name="second-2", exact=True).click()
    page.wait_for_timeout(200)
    scored = (evobnn.load_run(runs[6]).individuals()["status"] == "ok").sum()
    assert int(page.locator("#shown").inner_text().split(" of ")[0]) == whole - scored
    assert photographed(page, "small", tmp_path) > 100


@pytest.mark.parametrize(
    "settings", [{"cells": False}, {"objectives": ("error", "ops", "bits"), "axes": False}, {"objectives": ("error",)}]
)
def test_runs_of_other_kinds(settings: dict[str, Any], opened: Open, tmp_path: Path) -> None:
    folder = made(tmp_path / "run", 60, **settings)
    with lock(folder):
        page = opened(folder)
    assert "In progress" in page.locator("#state").inner_text()
    failed = page.locator("#failures button").first
    failed.click()
    assert page.locator("#details .failed").count() == 1
    if settings.get("axes") is False:
        assert "Not measured" in page.locator("#hypervolume-note").inner_text()


def test_awkward_names_are_shown_as_they_are(opened: Open, small: Path) -> None:
    page = opened(small)
    assert page.locator("h1").inner_text() == small.name and page.locator("h1 i").count() == 0


@pytest.mark.parametrize(("count", "most"), [(300, 5e6), (10_000, 15e6)])
def test_size_and_time(
    count: int, most: float, opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "run", count, 20 if count < 1000 else 500)
    begin = time.process_time()
    size = evobnn.write_report(folder, out=tmp_path / "report.html").stat().st_size
    written = time.process_time() - begin
    begin = time.perf_counter()
    page = opened(folder)
    ready = time.perf_counter() - begin
    with capsys.disabled():
        print(f"\n{count} individuals: {size / 1e6:.2f} MB, written in {written:.1f} s of CPU, ready in {ready:.1f} s")
    assert size < most
    second = page.locator("#members tbody tr").nth(1).locator("button").inner_text()
    clicked(page, 0, int(second.removeprefix("id ")))
    assert photographed(page, str(count), tmp_path) > 300
