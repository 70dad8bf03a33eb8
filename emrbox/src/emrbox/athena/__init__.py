"""Athena: SELECT on the Glue Data Catalog's tables, run by DuckDB with the caller's permissions."""
