SELECT pg_advisory_unlock(hashtextextended(current_schema() || '.journal-log', 0))
