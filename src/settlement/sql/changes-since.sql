-- How many leaves the epochs after $2 changed, up to and with $3.
SELECT coalesce(sum(leaves_changed), 0)::bigint AS leaves FROM epoch WHERE book = $1 AND number > $2 AND number <= $3
