SELECT advance_account_days($1) AS lines
