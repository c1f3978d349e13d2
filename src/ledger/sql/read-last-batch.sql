SELECT last_batch FROM journal_head
