"""A local AWS whose EMR really runs steps, on nodes that really are machines."""
