SELECT t.id, t.asset, t.debit_account, t.credit_account, s.scale
FROM transfer t
JOIN asset s ON s.code = t.asset
WHERE t.id = ANY ($1::uuid[])
