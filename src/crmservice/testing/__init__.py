"""Builders, contract suites and the fakes that pass them; shipped, so that plug-ins can use them."""
