"""What a CRM is: records, intents and the directory, as plain values (no database, no framework)."""
