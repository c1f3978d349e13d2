-- The treasury's side of genesis: all TST has come out of custody, or none yet. What left on-chain and came in again came out
-- of it a second time.
SELECT (SELECT supply_cap FROM asset WHERE code = $1) AS supply,
  coalesce((SELECT debits_posted FROM account WHERE asset = $1 AND role = 'custody'), 0)::numeric AS issued
