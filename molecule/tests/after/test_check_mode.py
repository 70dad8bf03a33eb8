"""After converge: check mode finds nothing to do."""

from scenario import Checked


def test_check_mode_reports_no_change_and_makes_none(checked: Checked) -> None:
    assert not any(checked.changes.values()), checked.changes
    assert checked.before == checked.after
