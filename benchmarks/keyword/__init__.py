"""What keyword and hybrid search cost beside Postgres' own full-text search."""
