SELECT ledger_now() AS now
