"""One verb a file: each a thin Prefect task over a plain function that runs without Prefect."""
