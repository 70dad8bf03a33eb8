from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.images.trees import lay_over

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tree_that_was_cloned_by_a_careful_user_is_for_everyone_in_an_image(tmp_path: Path) -> None:
    tree, image = tmp_path / "tree", tmp_path / "image"
    (tree / "etc").mkdir(parents=True)
    (image / "etc").mkdir(parents=True)
    (tree / "etc/settings").write_text("x")
    (tree / "etc/program").write_text("x")
    (tree / "etc/link").symlink_to("nowhere")
    for name, mode in ((".", 0o700), ("etc", 0o700), ("etc/settings", 0o600), ("etc/program", 0o700)):
        (tree / name).chmod(mode)
    lay_over(tree, image)
    modes = {
        name: (image / name).stat().st_mode & 0o777 for name in (".", "etc", "etc/settings", "etc/program")
    }
    assert modes == {".": 0o755, "etc": 0o755, "etc/settings": 0o644, "etc/program": 0o755}
    assert (image / "etc/link").is_symlink()
