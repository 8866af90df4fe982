"""The lake: DuckLake tables under one write lock, content-addressed blobs, the ledger and upkeep."""
