-- The leaves that an epoch changed, in pages: after ($3 section, $4 index), at most $5.
SELECT section, index, owner, key, amount, valid_until, kind, quantity
FROM leaf
WHERE book = $1 AND epoch = $2 AND (section, index) > ($3, $4)
ORDER BY section, index
LIMIT $5
