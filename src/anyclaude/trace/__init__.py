"""What a request leaves behind: one record, redacted, in a private folder."""
