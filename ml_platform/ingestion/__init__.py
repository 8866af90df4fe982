"""Files that land become raw tables, and raw rows become validated tables and a quarantine."""
