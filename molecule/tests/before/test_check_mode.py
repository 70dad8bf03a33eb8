"""Before converge: check mode reports what is going to change."""

from scenario import Checked


def test_check_mode_reports_changes_and_makes_none(checked: Checked) -> None:
    assert all(number > 0 for name, number in checked.changes.items() if name != "localhost"), checked.changes
    assert checked.before == checked.after
