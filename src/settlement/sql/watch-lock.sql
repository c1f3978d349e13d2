SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.watcher.' || $1::text, 0)) AS locked
