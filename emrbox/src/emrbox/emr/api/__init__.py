"""EMR's operations: requests checked, answers built, errors as AWS words them."""
