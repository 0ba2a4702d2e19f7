"""Raw tables: sources and the simulator, through the ledger."""
