SELECT create_asset($1, $2::smallint, $3, $4, $5, ledger_now())
WHERE NOT EXISTS (SELECT 1 FROM asset WHERE code = $1)
