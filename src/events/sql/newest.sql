SELECT next_event - 1 AS seq FROM journal_head
