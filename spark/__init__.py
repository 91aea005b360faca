"""The data engine: readers, cutting, conversion, tables, common schemas, transforms. Knows no Prefect."""
