-- A section's leaves as they were at epoch $3, for indexes from $4 up to, not including, $5, in index order and packed:
-- a value a row costs several times what the leaf does. A record is index (8 bytes), owner (20), key (32), valid until,
-- kind, quantity (8 each), and the amount as numeric is sent, whose length stands in its first two bytes.
SELECT string_agg(
  int8send(index) || owner || key || int8send(valid_until) || int8send(kind) || int8send(quantity) || numeric_send(amount),
  ''::bytea ORDER BY index
) AS records
FROM (
  SELECT DISTINCT ON (index) index, owner, key, amount, valid_until, kind, quantity
  FROM leaf
  WHERE book = $1 AND section = $2 AND epoch <= $3 AND index >= $4 AND index < $5
  ORDER BY index, epoch DESC
) AS leaf_then
