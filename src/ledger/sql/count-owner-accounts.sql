-- How many accounts an owner has, counted no further than $2.
SELECT count(*) AS accounts FROM (SELECT FROM account WHERE owner = $1 LIMIT $2) AS own
