"""Who does the work: wiring chooses the adapters, a supervised worker fetches and files."""
