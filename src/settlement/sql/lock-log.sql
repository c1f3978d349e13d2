SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.journal-log', 0)) AS locked
