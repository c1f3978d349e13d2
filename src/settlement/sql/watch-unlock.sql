SELECT pg_advisory_unlock(hashtextextended(current_schema() || '.watcher.' || $1::text, 0))
