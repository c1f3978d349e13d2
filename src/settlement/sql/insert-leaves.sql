-- $1 book, $2 epoch, $3 section; the columns of leaves, of which those are written that $11 says.
INSERT INTO leaf (book, section, index, epoch, owner, key, amount, valid_until, kind, quantity)
SELECT $1, $3, index, $2, owner, key, amount, valid_until, kind, quantity
FROM unnest(
  $4::bigint[], $5::bytea[], $6::bytea[], $7::numeric[], $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[]
) AS now (index, owner, key, amount, valid_until, kind, quantity, is_changed)
WHERE is_changed
