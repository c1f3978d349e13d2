SELECT next_seq, ledger_now() AS now FROM journal_head
