"""Who may see and do what: keys, wallet sessions, account sets, the audit log."""
