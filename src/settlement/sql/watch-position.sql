-- The position of an asset by its section and index, or by its section and key: neither ever changes.
SELECT p.account, a.owner, p.key, a.debits_posted AS debited FROM position p JOIN account a ON a.id = p.account
WHERE p.asset = $1 AND p.section = $2 AND (p.index = $3 OR p.key = decode(substr($4, 3), 'hex'))
