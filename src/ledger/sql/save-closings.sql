INSERT INTO account_closing (seq, time, account)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[])
