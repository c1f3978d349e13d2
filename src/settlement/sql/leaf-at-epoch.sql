SELECT section, index, owner, key, amount, valid_until, kind, quantity
FROM leaf
WHERE book = $1 AND section = $2 AND index = $3 AND epoch <= $4
ORDER BY epoch DESC
LIMIT 1
