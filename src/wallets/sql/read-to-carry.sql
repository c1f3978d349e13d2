-- Accounts of user $1 in asset $2 whose position has another owner than $3, behind role $4 and id $5.
SELECT a.id, a.role
FROM account a
JOIN position p ON p.account = a.id
WHERE a.owner = $1 AND a.asset = $2 AND p.owner <> $3 AND (a.role, a.id) > ($4, $5)
ORDER BY a.role, a.id
LIMIT $6
