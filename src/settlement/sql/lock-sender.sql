-- Of the whole database: books of several ledgers may send with one key.
SELECT pg_try_advisory_lock(hashtextextended('anchorbook.sender.' || $1::text || '.' || $2::text, 0)) AS locked
