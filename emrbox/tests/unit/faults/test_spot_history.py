"""EC2's history of spot prices follows the fault that sets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.ec2.responses.spot_instances import SpotInstances

from emrbox.faults.book import FaultBook
from emrbox.faults.spot_history import SpotHistory

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class Prices:
    def __init__(self) -> None:
        self.book = FaultBook()
        self.now = START
        self.history = SpotHistory(self.book, lambda: self.now)

    def set(self, percent: float, **scope: str) -> Any:
        self.now += timedelta(hours=1)
        return self.book.add({"kind": "spot-price", "parameters": {"percent": percent, **scope}})

    def of(self, name: str = "m5.xlarge", zone: str = "us-east-1a", **times: Any) -> list[float]:
        return [float(one["SpotPrice"]) for one in self.history.entries([name], [zone], **times)]


@pytest.fixture
def prices() -> Prices:
    return Prices()


def test_every_change_of_a_price_is_in_its_history_newest_first(prices: Prices) -> None:
    fault = prices.set(150, zone="us-east-1a")
    assert prices.of() == [0.288, 0.0768]
    assert prices.of(zone="us-east-1b") == [0.0768]
    prices.now += timedelta(hours=1)
    prices.book.remove(fault.id)
    assert prices.of() == [0.0768, 0.288, 0.0768]


def test_a_time_gets_the_price_that_holds_then_and_the_later_ones(prices: Prices) -> None:
    prices.set(50)
    prices.set(100)
    assert prices.of(start=START + timedelta(minutes=90)) == [0.192, 0.096]
    assert prices.of(end=START + timedelta(minutes=90)) == [0.096, 0.0768]


def test_ec2_answers_from_the_history(prices: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpotInstances, "describe_spot_price_history", None)  # put back after the test
    prices.history.install()
    prices.set(50, instance_type="r5.*")
    with mock_aws():
        ec2 = boto3.client("ec2", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        found = ec2.describe_spot_price_history(
            InstanceTypes=["r5.xlarge"], AvailabilityZone="us-east-1b", ProductDescriptions=["Linux/UNIX"]
        )["SpotPriceHistory"]
        other = boto3.client("ec2", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        assert other.describe_spot_price_history()["SpotPriceHistory"] == []
    assert [(one["SpotPrice"], one["AvailabilityZone"]) for one in found] == [
        ("0.126000", "us-east-1b"),
        ("0.100800", "us-east-1b"),
    ]
    assert found[0]["Timestamp"] == START + timedelta(hours=1)
