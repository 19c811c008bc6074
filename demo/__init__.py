"""`make demo`: orders of the sandbox go with PyAirbyte into a local database, and their print files to a folder."""
