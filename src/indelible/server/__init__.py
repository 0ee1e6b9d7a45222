"""HTTP: the API that a vendor's backend logs to and a viewer reads from."""
