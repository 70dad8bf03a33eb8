"""A local AWS whose EMR runs steps on nodes that are real machines."""
