-- A page of an owner's accounts, by id: the place after $2 (null: from the first).
SELECT a.id
FROM account a
WHERE a.owner = $1 AND ($2::uuid IS NULL OR a.id > $2::uuid)
ORDER BY a.id
LIMIT $3
