SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.settlement.' || $1::text, 0)) AS locked
