"""From an artifact to a stored file: download, paths and stores."""
