-- Accounts of a reference by id, those after $2.
SELECT a.id, a.asset, a.role, a.owner, a.reference, a.created_at, c.seq AS closing_seq
FROM (SELECT * FROM account WHERE reference = $1 AND id > $2::uuid ORDER BY id LIMIT $3) AS a
LEFT JOIN LATERAL (SELECT seq FROM account_closing WHERE account = a.id OFFSET 0) AS c ON true
ORDER BY a.id
