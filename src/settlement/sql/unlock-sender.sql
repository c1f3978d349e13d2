SELECT pg_advisory_unlock(hashtextextended('anchorbook.sender.' || $1::text || '.' || $2::text, 0))
