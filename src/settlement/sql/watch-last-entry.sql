-- The last entry that was credited of a book; of those whose line is below $2 where it is not null.
SELECT coalesce(max(entry), 0) AS entry FROM chain_entry WHERE book = $1 AND ($2::bigint IS NULL OR seq < $2)
