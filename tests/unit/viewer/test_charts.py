import re

from anyclaude.viewer.charts import MOST_BARS, Bar, bars, stacked, strip


def _widths(svg: str, name: str = "width") -> list[float]:
    return [float(found) for found in re.findall(rf'<rect class="(?!ground)[^>]* {name}="([\d.]+)"', svg)]


def test_the_highest_bar_fills_the_chart_and_parts_stand_on_each_other() -> None:
    svg = bars([Bar("one", "/1", (("a", 30.0), ("b", 20.0))), Bar("two", "/2", (("a", 25.0),))], "told")
    assert _widths(svg, "height") == [60.0, 40.0, 50.0]
    assert _widths(svg, "y") == [40.0, 0.0, 50.0]


def test_a_chart_says_in_a_sentence_what_it_shows() -> None:
    assert 'role="img" aria-label="Tokens: 3 &lt; 4"' in bars([Bar("", "", (("a", 1.0),))], "Tokens: 3 < 4")


def test_labels_and_links_cannot_break_out() -> None:
    evil = '"><script>alert(1)</script>'
    svg = bars([Bar(evil, evil, ((evil, 1.0),))], evil)
    assert "<script" not in svg
    assert svg.count("&lt;script&gt;") == 4


def test_many_bars_become_means_of_neighbours() -> None:
    svg = bars([Bar(f"turn {n}", f"/{n}", (("a", float(n)),)) for n in range(1, 1001)], "told")
    assert svg.count("<a ") <= MOST_BARS
    assert "<title>turn 1 … turn 9</title>" in svg


def test_nothing_but_zeroes_is_a_flat_chart() -> None:
    assert _widths(bars([Bar("", "", (("a", 0.0),))] * 3, ""), "height") == [0.0, 0.0, 0.0]
    assert bars([], "") == bars((), "")


def test_spans_stand_where_they_were() -> None:
    svg = strip([("a", 0, 250), ("b", 250, 1000)], 1000)
    assert _widths(svg) == [250.0, 750.0]
    assert _widths(svg, "x") == [0.0, 250.0]


def test_what_is_short_is_still_seen() -> None:
    assert _widths(strip([("a", 0, 1)], 1_000_000)) == [4.0]


def test_unknown_amounts_are_left_out() -> None:
    assert _widths(stacked([("a", None), ("b", 3.0), ("c", 0.0)], 6)) == [500.0]
    assert _widths(stacked([])) == []


def test_no_shape_has_a_style() -> None:
    """The Content-Security-Policy allows none."""
    assert "style=" not in bars([Bar("", "", (("a", 1.0),))], "") + strip([("a", 0, 1)], 1)
