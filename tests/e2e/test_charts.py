"""Charts as they are drawn: bars of an interval, curves, values on hover, a legend that hides, the total of a range."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.chatting import chat, make_key
from tests.process.platform import DEMO, Platform

pytestmark = pytest.mark.process

_LATENCIES = ["avg", "max", "p50", "p75", "p90", "p95", "p99"]
_LOOK = """async (element) => {
    const { echarts } = await import("nicegui-echart");
    const chart = echarts.getInstanceByDom(element);
    const drawn = chart ? chart.getZr().storage.getDisplayList(true).filter((one) => !one.ignore) : [];
    const texts = drawn.filter((one) => one.style.text).map((one) => {
        const box = one.getBoundingRect().clone();
        if (one.transform) box.applyTransform(one.transform);
        return { text: one.style.text, x: box.x + box.width / 2, y: box.y + box.height / 2 };
    });
    if (!chart) return { series: [], hidden: [], texts };
    const options = chart.getOption();
    const series = options.series.map((one, index) => ({
        name: one.name,
        kind: one.type,
        points: one.data.filter(([, value]) => value !== null),
        at: one.data.filter(([, value]) => value).map((point) => chart.convertToPixel({ seriesIndex: index }, point)),
    }));
    const chosen = options.legend[0].selected;
    return { series, hidden: Object.keys(chosen).filter((name) => !chosen[name]), texts };
}"""


class Chart:
    """A chart of the page, seen as ECharts drew it."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.element: Locator = page.get_by_role("img", name=name, exact=True)

    def look(self) -> dict[str, Any]:  # Any: what the script above answers
        found: dict[str, Any] = self.element.evaluate(_LOOK)
        return found

    def texts(self) -> str:
        return "\n".join(str(one["text"]) for one in self.look()["texts"])

    def move_to(self, x: float, y: float) -> None:
        self.element.scroll_into_view_if_needed()
        box = self.element.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + x, box["y"] + y)

    def click_legend(self, name: str) -> None:
        self.page.mouse.move(0, 0)
        until(self.page, lambda: len(self._named(name)) == 1)  # an open tooltip names it as well
        (where,) = self._named(name)
        self.move_to(where["x"], where["y"])
        self.page.mouse.down()
        self.page.mouse.up()

    def _named(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.look()["texts"] if one["text"] == name]


@pytest.fixture
def metrics(stage: Platform, page: Page) -> Page:
    """The metrics of the deployment that answered a few requests."""
    chat(stage, make_key(stage, "charts"), times=3)
    page.goto("/deployments")
    page.get_by_role("link", name=DEMO).first.click()
    page.get_by_role("tab", name="Metrics", exact=True).click()
    return page


def until(page: Page, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def _requests(chart: Chart) -> int:
    return sum(int(value) for one in chart.look()["series"] for _, value in one["points"])


def _told(page: Page) -> int:
    """Return the number of requests that the page tells beside the bars."""
    said = page.get_by_text(re.compile(r"^[\d,]+ requests?, [\d,.]+.* in this time$")).inner_text()
    return int(said.split(" ")[0].replace(",", ""))


@pytest.mark.contract("C04", "C06")
def test_requests_are_bars_of_the_interval_that_is_chosen_with_their_total(metrics: Page) -> None:
    bars = Chart(metrics, "Requests")
    until(metrics, lambda: _told(metrics) >= 3 and _requests(bars) == _told(metrics))
    assert [(one["name"], one["kind"]) for one in bars.look()["series"]] == [("Completed", "bar"), ("Failed", "bar")]
    five_minutes = len(bars.look()["series"][0]["points"])

    metrics.get_by_label("Interval").click()
    metrics.get_by_role("option", name="30m", exact=True).click()
    until(metrics, lambda: 0 < len(bars.look()["series"][0]["points"]) < five_minutes)
    until(metrics, lambda: _requests(bars) == _told(metrics))

    metrics.get_by_label("Time range").click()
    metrics.get_by_role("option", name="7 days", exact=True).click()
    expect(metrics.get_by_label("Interval")).to_have_value("6h")
    until(metrics, lambda: len(bars.look()["series"][0]["points"]) in (28, 29))
    until(metrics, lambda: _requests(bars) == _told(metrics))


@pytest.mark.contract("C05", "C06")
def test_a_curve_shows_its_values_under_the_pointer_and_the_legend_hides_it(metrics: Page) -> None:
    curves = Chart(metrics, "Latency")
    until(metrics, lambda: [one["name"] for one in curves.look()["series"]] == _LATENCIES)
    until(metrics, lambda: curves.look()["series"][0]["at"])
    assert {one["kind"] for one in curves.look()["series"]} == {"line"}

    def shown() -> str:
        curves.move_to(*curves.look()["series"][0]["at"][-1])
        return curves.texts()

    until(metrics, lambda: len(re.findall(r"\b[\d.]+ m?s\b", shown())) >= len(_LATENCIES))

    curves.click_legend("p99")
    until(metrics, lambda: curves.look()["hidden"] == ["p99"])
    metrics.get_by_label("Interval").click()
    metrics.get_by_role("option", name="1m", exact=True).click()
    until(metrics, lambda: len(curves.look()["series"][0]["points"]) > 0)
    assert curves.look()["hidden"] == ["p99"], "what is hidden stays so when new values come"
    curves.click_legend("p99")
    until(metrics, lambda: curves.look()["hidden"] == [])


@pytest.mark.contract("C01", "C02")
def test_processor_and_memory_of_a_replica_are_drawn(metrics: Page) -> None:
    processor, memory = Chart(metrics, "Processor"), Chart(metrics, "Memory")
    processor.element = processor.element.first
    memory.element = memory.element.first
    until(metrics, lambda: [one["name"] for one in processor.look()["series"]] == ["User", "System"])
    until(metrics, lambda: [one["name"] for one in memory.look()["series"]] == ["Used"])
    until(metrics, lambda: any(value > 0 for _, value in memory.look()["series"][0]["points"]))
    until(metrics, lambda: re.search(r"\d MiB", memory.texts()) is not None)
