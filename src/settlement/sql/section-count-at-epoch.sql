-- How many leaves a section had at an epoch; a count never falls, and the header that was hashed says it.
SELECT (header -> 'sections' -> $3::int ->> 'count')::bigint AS count FROM epoch WHERE book = $1 AND number = $2
