"""The ways in: one module per sender, each from a request to events, mailbox and answer."""
