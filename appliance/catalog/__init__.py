"""What could be served: models.toml, GGUF headers, architecture facts."""
