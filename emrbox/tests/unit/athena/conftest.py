"""The endpoint over HTTP, as the tests of this folder use it."""

from endpoint import empty_moto, emr, endpoint

__all__ = ["empty_moto", "emr", "endpoint"]  # fixtures
