SELECT a.id, a.asset, s.scale
FROM account a
JOIN asset s ON s.code = a.asset
WHERE a.id = ANY ($1::uuid[])
