SELECT pg_advisory_unlock(hashtextextended(current_schema() || '.settlement.' || $1::text, 0))
