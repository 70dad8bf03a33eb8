"""How a node calls other programs."""

from __future__ import annotations

import pytest

from kiln.nodes.on_node.items import ItemError, fed

MIB = 1024 * 1024


def test_a_fed_program_may_say_more_than_a_pipe_holds_before_it_reads() -> None:
    with fed(["sh", "-c", f"head -c {MIB} /dev/zero >&2; cat >/dev/null"]) as sink:
        sink.write(b"x" * MIB)


def test_the_end_of_what_a_fed_program_said_is_the_error() -> None:
    says = f"head -c {MIB} /dev/zero | tr '\\0' '\\n' >&2; echo no space left >&2; exit 3"
    with pytest.raises(ItemError, match=r"^sh: no space left$"), fed(["sh", "-c", says]) as sink:
        sink.write(b"x" * MIB)
