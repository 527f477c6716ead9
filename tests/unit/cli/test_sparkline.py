"""A curve in one line."""

from roundhouse_cli.sparkline import sparkline


def drawn(points: dict[int, float], *, top: float = 8.0) -> str:
    return sparkline(points, since=65, until=130, step_s=10, top=top)


def test_a_curve_rises_from_the_lowest_bar_to_the_highest() -> None:
    assert drawn({60: 0.0, 70: 1.0, 80: 3.9, 90: 6.0, 100: 7.9, 110: 8.0, 120: 9.0}) == "▁▂▄▇███"


def test_a_gap_is_a_space_and_no_low_bar() -> None:
    assert drawn({60: 0.0, 90: 8.0}) == "▁  █   "


def test_a_curve_of_nothing_lies_on_the_ground() -> None:
    assert drawn({60: 0.0, 70: 0.0}, top=0.0) == "▁▁     "
