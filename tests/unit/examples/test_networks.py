import pickle

import pytest
from email_models.networks import known_network, registry_tree

REGISTRY = ["10.1.0.0/16", "10.1.4.0/24", "10.2.0.0/21", "10.3.0.0/26"]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.4.77", "10.1.4.0/24"),  # the longest registration wins
        ("10.1.9.77", "10.1.9.64/28"),  # inside a provider's: the block
        ("10.2.7.255", "10.2.0.0/21"),  # just small enough to be one holder's
        ("10.3.0.63", "10.3.0.0/26"),
        ("10.3.0.64", "10.3.0.0/24"),  # next to a registration, in none
        ("192.0.2.9", "192.0.2.0/24"),
    ],
)
def test_an_address_is_known_by_its_network(address: str, network: str) -> None:
    tree = registry_tree(REGISTRY)
    assert known_network(tree, address, shared_prefix_length=21, block_prefix_length=28) == network


def test_the_tree_can_be_sent_to_executors() -> None:
    tree = pickle.loads(pickle.dumps(registry_tree(REGISTRY)))  # noqa: S301  # made one line above
    assert tree.search_best("10.1.4.1").prefix == "10.1.4.0/24"
