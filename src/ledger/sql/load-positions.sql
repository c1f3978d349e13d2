SELECT account, asset, section, index, key, owner, valid_until, kind, quantity
FROM position
WHERE account = ANY ($1::uuid[])
