-- A section's leaves as they were at epoch $3, for indexes from $4 up to, not including, $5.
SELECT DISTINCT ON (index) section, index, owner, key, amount, valid_until, kind, quantity
FROM leaf
WHERE book = $1 AND section = $2 AND epoch <= $3 AND index >= $4 AND index < $5
ORDER BY index, epoch DESC
