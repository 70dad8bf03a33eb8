from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from nodes import page, plot
from nodes.tables import CHAINS, CONTENDERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodes.figures import Report

SVG = "{http://www.w3.org/2000/svg}"
ALL = {
    (phase.key, name): (1.0 + number, 2.0 + number, 5.0 + number)
    for chain in CHAINS
    for phase in chain.phases
    for number, name in enumerate(reversed(chain.does))
}


def rows(text: str) -> list[list[str]]:
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]


def test_the_page_has_every_contender_with_median_and_spread(report: Callable[..., Report]) -> None:
    text = page.page(report(ALL), "what people say")
    found = [[cell.strip() for cell in row] for row in rows(text) if len(row) == 7]
    for chain in CHAINS:
        for phase in chain.phases:
            assert f"### {phase.title} ({chain.nodes} node" in text
            for name in chain.does:
                least, middle, most = ALL[phase.key, name]
                numbers = [f"{value:.2f}" for value in (middle, least, most, middle / 2)]
                assert [CONTENDERS[name], *numbers, "3"] in [row[:6] for row in found]
    assert "what people say" in text


def test_the_fastest_contender_comes_first(report: Callable[..., Report]) -> None:
    text = page.page(report({("cold", "kiln"): (9.0,), ("cold", "pyinfra"): (3.0,)}), "")
    assert text.index("| pyinfra |") < text.index("| Kiln |")


def test_a_sign_of_a_table_in_a_cell_does_not_add_a_column(report: Callable[..., Report]) -> None:
    text = page.page(report({("cold", "openssh"): (1.0,)}), "")
    assert "rpm -q \\|\\| dnf install" in text
    assert {len(row) for row in rows(text)} == {4, 7}


def test_phases_that_were_not_measured_are_left_out(report: Callable[..., Report]) -> None:
    made = report({("cold", "kiln"): (1.0,), ("cold", "ansible"): (2.0,)})
    assert page.page(made, "").count("### ") == 1
    assert plot.plot(made).count('class="t"') == 1


def test_the_plot_is_xml_with_a_bar_a_contender_in_proportion(report: Callable[..., Report]) -> None:
    made = report({("cold", "kiln"): (2.0, 2.0, 4.0), ("cold", "ansible"): (8.0, 8.0, 8.0)})
    root = ET.fromstring(plot.plot(made))  # noqa: S314  # written above
    background, first, second = root.findall(f"{SVG}rect")
    assert float(second.attrib["width"]) == pytest.approx(4 * float(first.attrib["width"]), abs=0.2)
    # The fastest is the first one, and Kiln's own colour differs.
    assert float(first.attrib["y"]) < float(second.attrib["y"])
    assert first.attrib["fill"] != second.attrib["fill"]
    line = root.findall(f"{SVG}line")[0].attrib
    assert float(line["x2"]) - float(line["x1"]) == pytest.approx(float(first.attrib["width"]), abs=0.2)
    assert float(background.attrib["height"]) == float(root.attrib["height"])


def test_nothing_in_the_plot_lies_over_another_or_outside(report: Callable[..., Report]) -> None:
    root = ET.fromstring(plot.plot(report(ALL)))  # noqa: S314  # written above
    bars = root.findall(f"{SVG}rect")[1:]
    tops = [float(bar.attrib["y"]) for bar in bars]
    assert all(second - first >= float(bars[0].attrib["height"]) for first, second in pairwise(tops))
    assert tops[-1] < float(root.attrib["height"])
    for bar in bars:
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) < float(root.attrib["width"])


def test_the_same_numbers_give_the_same_page_and_plot(report: Callable[..., Report]) -> None:
    assert page.page(report(ALL), "x") == page.page(report(ALL), "x")
    assert plot.plot(report(ALL)) == plot.plot(report(ALL))
