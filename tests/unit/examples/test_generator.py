import re
import subprocess
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from generate import generate
from planted.addresses import AddressSpace, Network, address_texts
from planted.names import lookalike

DAY = date(2026, 11, 20)
GENERATE = Path(__file__).parents[3] / "examples" / "telemetry" / "generate.py"


def test_the_same_seed_gives_the_same_files(small_day: Path, tmp_path: Path) -> None:
    generate(messages=3000, seed=11, day=DAY, out=tmp_path)
    files = sorted(path.relative_to(small_day) for path in small_day.rglob("*") if path.is_file())
    assert len(files) == 9
    for name in files:
        assert (tmp_path / name).read_bytes() == (small_day / name).read_bytes(), name


def test_another_seed_gives_other_messages(small_day: Path, tmp_path: Path) -> None:
    generate(messages=3000, seed=12, day=DAY, out=tmp_path)
    here, there = (
        pq.read_table(folder / "messages")["sending_ip"].to_pylist() for folder in (small_day, tmp_path)
    )
    assert here != there


def test_every_message_is_of_that_day_and_complete(small_day: Path) -> None:
    messages = pq.read_table(small_day / "messages" / "date=2026-11-20").to_pandas()
    assert len(messages) == 3000
    assert set(messages["received_at"].dt.date) == {DAY}
    assert messages["message_id"].is_unique
    assert not messages.drop(columns=["reply_to_domain", "dkim_domain"]).isna().any().any()
    assert (messages["subject_tokens"].map(len) > 0).all()


def test_messages_do_not_tell_the_truth(small_day: Path) -> None:
    columns = set(pq.read_table(small_day / "messages").column_names)
    assert not columns & {"forged", "forwarded", "campaign", "route", "kind", "forwarder"}


def test_what_was_planted_is_there_and_overlaps(small_day: Path) -> None:
    truth = pd.read_parquet(small_day / "truth" / "messages.parquet")
    assert 0.05 < truth["forged"].mean() < 0.15
    assert 0.05 < truth["forwarded"].mean() < 0.15
    assert 0.3 < (truth["campaign"] >= 0).mean() < 0.6
    forged_and_honest = truth.groupby("header_from_domain")["forged"].nunique()
    assert (forged_and_honest == 2).any()


def test_messages_agree_with_their_truth_row_by_row(small_day: Path) -> None:
    messages = pq.read_table(small_day / "messages").to_pandas()
    truth = pd.read_parquet(small_day / "truth" / "messages.parquet")
    pd.testing.assert_frame_equal(
        messages[["message_id", "sending_ip", "header_from_domain"]].sort_values(
            "message_id", ignore_index=True
        ),
        truth[["message_id", "sending_ip", "header_from_domain"]].sort_values(
            "message_id", ignore_index=True
        ),
    )


def test_organisations_are_a_script_for_psql(small_day: Path) -> None:
    script = (small_day / "organisations.sql").read_text()
    assert script.startswith("BEGIN;")
    assert script.endswith("COMMIT;\n")
    assert (
        len(re.findall(r"^COPY ", script, re.MULTILINE))
        == len(re.findall(r"^\\\.$", script, re.MULTILINE))
        == 3
    )


def test_too_few_messages_are_refused(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(GENERATE),
        "--messages",
        "10",
        "--date",
        "2026-11-20",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "10 is too few" in done.stderr


def test_blocks_do_not_overlap_and_are_aligned() -> None:
    space = AddressSpace()
    blocks = [space.register(length, "x") for length in (24, 16, 26, 18)]
    spans = sorted((block.base, block.base + block.size) for block in blocks)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(block.base % block.size == 0 for block in blocks)


def test_a_full_address_space_is_an_error() -> None:
    space = AddressSpace()
    space.register(9, "half")
    space.register(9, "other half")
    with pytest.raises(RuntimeError, match=r"10\.0\.0\.0/8"):
        space.register(24, "nothing left")


def test_addresses_become_text_once_each() -> None:
    texts, places = address_texts(np.array([Network(0x0A000000, 24).base + 5, 0x0A000001, 0x0A000005]))
    assert [texts[place] for place in places] == ["10.0.0.5", "10.0.0.1", "10.0.0.5"]
    assert len(texts) == 2


def test_a_lookalike_is_another_name() -> None:
    random = np.random.default_rng(1)
    assert all(lookalike(random, "northbank.example") != "northbank.example" for _ in range(50))
