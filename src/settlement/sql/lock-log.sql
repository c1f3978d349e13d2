SELECT pg_advisory_lock(hashtextextended(current_schema() || '.journal-log', 0))
